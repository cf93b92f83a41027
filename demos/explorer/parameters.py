"""The parameters of a request: texts and whole numbers within limits, or one sentence that names the wrong one."""

from starlette.datastructures import QueryParams

from minicnn.errors import InputError, one_line, unknown_name

LONGEST = 300  # characters of a parameter
DIGITS = 9     # digits of a number


class Parameters:
    """The parameters of a request's address."""

    def __init__(self, query: QueryParams) -> None:
        self.query = query

    def text(self, name: str, default: str | None = None) -> str:
        """Return the text of a parameter. Raises InputError if it is missing without a default, or too long."""
        value = self.query.get(name)
        if value is None or value == "":
            if default is None:
                raise InputError(f"the parameter {name} is missing")
            return default
        if len(value) > LONGEST:
            raise InputError(f"the parameter {name} has {len(value):,} characters; at most {LONGEST} are read")
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """Return the text of a parameter that is one of the choices. Raises InputError for another one."""
        value = self.text(name, default)
        if value not in choices:
            raise unknown_name(name, value, choices)
        return value

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """Return the whole number of a parameter, from `low` to `high`. Raises InputError for anything else."""
        text = self.text(name, None if default is None else str(default))
        digits = text.removeprefix("-")
        number = int(text) if digits.isascii() and digits.isdecimal() and len(digits) <= DIGITS else None
        if number is None or not low <= number <= high:
            raise InputError(f"the parameter {name} is {one_line(text, 40)!r}; expected a whole number from {low} to "
                             f"{high}")
        return number
