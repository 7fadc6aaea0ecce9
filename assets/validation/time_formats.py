"""Times as text of a form that the profile names, read by Polars.

A time in another form is null, never another moment.
"""

import re
from dataclasses import dataclass

import polars as pl

DIRECTIVE = re.compile(r"%[-_0#:]?([A-Za-z%])")
READ = set("YyCmbBhdejaAuwUWGgVHkIlMSfpPzTRDF%")
YEAR, MONTH, DAY_OF_MONTH = set("YyGDF"), set("mbBhjDFVUW"), set("dejuwaADF")
HOUR_ALONE, MINUTE = set("HkIl"), set("MTR")

COMMA_SECONDS = r"(:[0-9]{2}),([0-9]+)"

RFC_2822 = (
    r"^\s*(?:[A-Za-z]{3}\s*,)?\s*([0-9]{1,2} +[A-Za-z]{3} +[0-9]{4} +[0-9:]+)"
    r" +([+-][0-9]{4}|[A-Za-z]+)(?:\s*\([^)]*\))?\s*$"
)
"""The moment and the zone, without the day of the week before and a comment behind."""

ZONES = {"UT": 0, "UTC": 0, "GMT": 0, "Z": 0} | {
    f"{place}{kind}T": offset + ahead
    for place, offset in (("E", -5), ("C", -6), ("M", -7), ("P", -8))
    for kind, ahead in (("S", 0), ("D", 1))
}
"""The names of zones in RFC 2822, in hours from UTC; others have no meaning there."""


@dataclass(frozen=True)
class TimeFormat:
    """A form such as `%d.%m.%Y %H:%M`; without a zone in it times are UTC.

    What it leaves out is the first there is: of a month its first day, of a day its midnight.

    Attributes:
        form: In the directives of strftime.

    Raises:
        ValueError: it has a directive that names no moment for sure, or no year.
    """

    form: str

    def __post_init__(self) -> None:
        if strange := sorted(self._named - READ):
            why = "names of zones are ambiguous" if strange == ["Z"] else "it is not read"
            raise ValueError(f"{self.form!r} has %{strange[0]}, but {why}: write such text as it stands, or use %z")
        if not self._named & YEAR:
            raise ValueError(f"{self.form!r} names no year, without which a time is none: add one, such as %Y")
        if re.search(r"(?<![.,])%f", self.form):
            raise ValueError(f"{self.form!r} has %f elsewhere than behind a point or comma: write %S.%f")

    @property
    def _named(self) -> set[str]:
        return {found[1] for found in DIRECTIVE.finditer(self.form)}

    def to_ms(self, text: pl.Expr) -> pl.Expr:
        """Milliseconds since 1970 UTC as int64, null of text in another form."""
        text = text.str.strip_chars()
        if ",%f" in self.form:
            text = text.str.replace(COMMA_SECONDS, "${1}.${2}")
        pattern = self.form.strip().replace(",%f", ".%f").replace(".%f", "%.f").replace("%z", "%#z")
        for directive, first in self._left_out():
            pattern, text = f"{pattern} {directive}", text + f" {first}"
        return text.str.to_datetime(pattern, time_unit="ms", strict=False).dt.timestamp("ms")

    def _left_out(self) -> list[tuple[str, str]]:
        """The directives without which Polars knows no moment, each with what it stands for then."""
        named = self._named
        left_out = [("%m", "1")] if not named & MONTH else []
        left_out += [("%d", "1")] if not named & DAY_OF_MONTH else []
        return left_out + ([(":%M", ":00")] if named & HOUR_ALONE and not named & MINUTE else [])


def rfc_2822_to_ms(text: pl.Expr) -> pl.Expr:
    """Milliseconds since 1970 UTC of a time as mails and web servers write it: `Fri, 27 Nov 2026 17:38:24 +0000`."""
    parts = text.str.extract_groups(RFC_2822).struct
    moment = parts.field("1").str.replace_all(" +", " ")
    offset = parts.field("2").str.to_uppercase().replace({name: f"{hours:+03d}00" for name, hours in ZONES.items()})
    written = pl.concat_str(moment, offset, separator=" ")
    forms = TimeFormat("%d %b %Y %H:%M:%S %z"), TimeFormat("%d %b %Y %H:%M %z")
    return pl.coalesce(form.to_ms(written) for form in forms)
