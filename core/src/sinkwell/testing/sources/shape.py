"""How a source is configured and named: the last part of the kit for sources."""
# ruff: noqa: S101 - a kit is made of assertions

from collections.abc import Sequence
from itertools import combinations

from sinkwell.contract.source import AnySourceType
from sinkwell.naming import KeyValues, Template
from sinkwell.testing.sources.base import SourceKit, proof_place, taken
from sinkwell.testing.sources.core import NAME, NOW, Core
from sinkwell.testing.sources.provider import Provider, Sample
from sinkwell.testing.type_checks import (
    check_docstrings,
    check_identity,
    check_settings,
    refused,
    secret_keys,
)


class SourceShape(SourceKit):
    """The type and its settings are what Sinkwell can work with."""

    def test_name_and_summary(self, source_type: AnySourceType, section: dict[str, object]) -> None:
        """Name and summary of the type are fit to be shown."""
        check_identity(source_type, section)

    def test_the_default_key_keeps_files_apart(
        self, source_type: AnySourceType, core: Core, samples: Sequence[Sample]
    ) -> None:
        """The default key is a template that cannot collide, and ids make keys of their own."""
        template = Template.parse(source_type.default_key)
        assert not template.can_collide, (
            f"two files may get one key by {template}: it needs {{id}}, {{file_id}} or {{sha256}}"
        )
        callbacks = [taken(core, each.request, repr(each.name)).callback for each in samples]
        values = [
            KeyValues(
                id=each.provider_id,
                file_id=f"f{number}",
                source=NAME,
                received_at=NOW,
                ext=each.files[0].extension,
                sha256="0" * 64,
                labels=each.labels,
            )
            for number, each in enumerate(callbacks)
            if each.files
        ]
        for form in (template, Template.parse("{id}")):
            for one, other in combinations(values, 2):
                assert one.id == other.id or form.key(one) != form.key(other), (
                    f"{one.id!r} and {other.id!r} have the same key {form.key(one)!r} by {form}"
                )

    def test_settings_are_checked(
        self, source_type: AnySourceType, section: dict[str, object]
    ) -> None:
        """The section is taken; one with an unknown key or a wrong sort of value is not."""
        check_settings(source_type.settings, section)

    def test_settings_are_explained(self, source_type: AnySourceType) -> None:
        """Each key of the settings has a docstring."""
        check_docstrings(source_type.settings)

    def test_a_secret_is_needed(
        self, source_type: AnySourceType, section: dict[str, object], provider: Provider
    ) -> None:
        """Settings without a secret, or with an empty one, are refused."""
        proof_place(provider)
        keys = [key for key in secret_keys(source_type.settings) if key in section]
        assert keys, "no key of the section holds a Secret: a secret as text ends up in logs"
        for key in keys:
            several = isinstance(section[key], list | tuple)
            rest = {name: value for name, value in section.items() if name != key}
            refused(source_type.settings, rest, f"a section without {key}")
            refused(source_type.settings, rest | {key: ""}, f"an empty {key}")
            if several:
                refused(source_type.settings, rest | {key: []}, f"an empty list of {key}")
                refused(source_type.settings, rest | {key: [""]}, f"an empty text among {key}")
