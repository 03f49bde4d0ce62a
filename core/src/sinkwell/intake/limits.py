"""The limits of one callback."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """Sizes in bytes, times in seconds; see ``[intake]`` in the settings for what each is for."""

    max_file_size: int = 5 * 1024**3
    idle_timeout: float = 30.0
    total_timeout: float = 3600.0
    min_rate: int = 1024
    max_parts: int = 16
    max_part_headers: int = 8
    max_header_size: int = 4096
    max_field_size: int = 64 * 1024
    max_fields_size: int = 256 * 1024
    max_json_size: int = 1024**2
    max_base64_size: int = 32 * 1024**2
    max_held_size: int = 128 * 1024**2

    @property
    def max_body_size(self) -> int:
        """The largest body that can hold a file and fields within the limits."""
        headers = self.max_parts * self.max_part_headers * self.max_header_size
        return self.max_file_size + self.max_fields_size + headers
