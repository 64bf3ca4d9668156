"""Reading the word lists, which are written as plain text so that they stay easy to read and to extend."""


def words(text: str) -> tuple[str, ...]:
    """The words of a list; an underscore stands for the blank inside one of them."""
    return tuple(word.replace("_", " ") for word in text.split())


def table(text: str) -> dict[str, str]:
    """The entries of a list of `key:value`, one per line or divided by white space."""
    return dict(entry.split(":") for entry in text.split())


def lines(text: str) -> dict[str, str]:
    """The entries of a list of `key: value`, one per line; both may contain blanks."""
    return {key.strip(): value.strip() for key, value in (line.split(":") for line in text.strip().splitlines())}
