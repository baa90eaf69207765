"""Numbers, to make many rows of."""


def numbers(count: int) -> str:
    """SQL of a table with 1 to *count* in its column i, in order.

    By no recursion: how deep one may be is told to each flavour by a variable of its own.
    """
    last = str(count - 1)
    digits = [_digits(9)] * (len(last) - 1) + [_digits(int(last[0]))]
    listed = ", ".join(f"({table}) AS d{place}" for place, table in enumerate(digits))
    value = " + ".join(f"{10**place} * d{place}.d" for place in range(len(digits)))
    return f"(SELECT 1 + {value} AS i FROM {listed} ORDER BY i LIMIT {count}) AS numbers"


def _digits(last: int) -> str:
    return " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(last + 1))
