"""Plays Shotbot: sends what its documentation says that it sends."""

from collections.abc import Sequence

from sinkwell.samples import png
from sinkwell.testing import (
    Expected,
    ExpectedPart,
    Field,
    FormFile,
    NotOffered,
    Provider,
    Request,
    Sample,
    multipart,
)


class ShotbotDouble(Provider):
    proof = Field("callback_secret")
    covers = NotOffered("Shotbot's secret stands in a field of its own and covers no other")
    tolerance = NotOffered("no time is part of Shotbot's secret")
    secrets = ("kit-secret-number-one", "kit-secret-number-two")

    def samples(self) -> Sequence[Sample]:
        files = {name: (f"image/{name}", name) for name in ("png", "webp", "avif")}
        files |= {"jpg": ("image/jpeg", "jpg"), "pdf": ("application/pdf", "pdf")}
        finished = [
            Sample(
                f"a {name}",
                multipart(
                    {"status": "OK", "token": f"{number}" * 32, "format": name},
                    FormFile("file", png(name, 20, 10), f"shot.{name}", media_type),
                ),
                Expected(
                    f"{number}" * 32,
                    provider_status="OK",
                    files=(ExpectedPart("file", media_type, extension),),
                ),
            )
            for number, (name, (media_type, extension)) in enumerate(files.items())
        ]
        failed = Sample(
            "a failure",
            multipart({"status": "ERR", "token": "9" * 32}),
            Expected("9" * 32, succeeded=False, provider_status="ERR"),
        )
        of_a_success = Sample(
            "a failure that follows a success",
            multipart({"status": "ERR", "token": "0" * 32}),
            Expected("0" * 32, succeeded=False, provider_status="ERR"),
        )
        return [*finished, failed, of_a_success]

    def sign(self, request: Request, *, secret: str, at: float) -> Request:
        return request.with_value(self.proof, secret)
