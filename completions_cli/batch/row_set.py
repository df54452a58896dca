"""Sets of row numbers, a bit each."""

_SHIFT = 13
_CHUNK_BYTES = 1 << (_SHIFT - 3)
_LOW = (1 << _SHIFT) - 1


class RowSet:
    """A set of row numbers: a million rows take 125 kB, and a number however large takes 1 kB."""

    __slots__ = ("_chunks", "_count")

    def __init__(self) -> None:
        self._chunks: dict[int, bytearray] = {}
        self._count = 0

    def add(self, number: int) -> bool:
        """Put a number in; false when it was there."""
        low = number & _LOW
        chunk = self._chunks.get(number >> _SHIFT)
        if chunk is None:
            chunk = self._chunks[number >> _SHIFT] = bytearray(_CHUNK_BYTES)
        byte, bit = low >> 3, 1 << (low & 7)
        if chunk[byte] & bit:
            return False
        chunk[byte] |= bit
        self._count += 1
        return True

    def discard(self, number: int) -> bool:
        """Remove a number; return False when it was not there."""
        if number not in self:
            return False
        self._chunks[number >> _SHIFT][(number & _LOW) >> 3] &= ~(1 << (number & 7))
        self._count -= 1
        return True

    def __contains__(self, number: int) -> bool:
        chunk = self._chunks.get(number >> _SHIFT)
        return chunk is not None and bool(chunk[(number & _LOW) >> 3] & 1 << (number & 7))

    def __len__(self) -> int:
        return self._count
