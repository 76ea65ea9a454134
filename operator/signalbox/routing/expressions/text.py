"""Our own functions on strings. The official checker is given these same functions, so there is one meaning."""


def words(text: str) -> int:
    """The number of words: runs of characters other than white space."""
    return len(text.split())


def contains_word(text: str, word: str) -> bool:
    """Whether ``word`` occurs as a whole word, ignoring case: no letter, digit or underscore touches it."""
    return contains_lower_word(text.lower(), word.lower())


def contains_lower_word(text: str, word: str) -> bool:
    """The same for a text and a word already in lower case."""
    size = len(word)
    start = text.find(word)
    if size == 0:
        return False
    while start >= 0:
        end = start + size
        if not (start > 0 and _joins(text[start - 1])) and not (end < len(text) and _joins(text[end])):
            return True
        start = text.find(word, start + 1)
    return False


def _joins(character: str) -> bool:
    return character == "_" or character.isalnum()
