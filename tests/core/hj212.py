"""Frames of HJ 212-2017, as a gateway in front of Chinese loggers has to read and write them.

``##``, four decimal digits of the data segment's length, the segment, four hex digits of its CRC,
CR LF. The server itself speaks MQTT and JSON: this is the reference that the vectors are held to.
"""

from __future__ import annotations

START, END = b"##", b"\r\n"
POLYNOMIAL = 0xA001
LONGEST = 1024


def crc16(segment: bytes) -> int:
    """The text's own CRC (appendix A): the high byte alone meets each byte, unlike in Modbus."""
    register = 0xFFFF
    for byte in segment:
        register = (register >> 8) ^ byte
        for _ in range(8):
            carry = register & 1
            register >>= 1
            if carry:
                register ^= POLYNOMIAL
    return register


def frame(segment: bytes) -> bytes:
    """Put a data segment into its frame; ValueError for one that is too long for any."""
    if len(segment) > LONGEST:
        raise ValueError(f"a data segment has at most {LONGEST} bytes, not {len(segment)}")
    return START + b"%04d" % len(segment) + segment + b"%04X" % crc16(segment) + END


def segment_of(whole: bytes) -> bytes:
    """Return the data segment of a frame; ValueError, naming what is wrong, for what is none."""
    if not (whole.startswith(START) and whole.endswith(END) and whole[2:6].isdigit()):
        raise ValueError("a frame is ## and a length of four digits, and ends with CR LF")
    segment, code = whole[6:-6], whole[-6:-2]
    if len(segment) != int(whole[2:6]):
        raise ValueError(f"{len(segment)} bytes where {int(whole[2:6])} are announced")
    if code.upper() != b"%04X" % crc16(segment):  # senders write hex digits in either case
        raise ValueError(f"CRC {code.decode('ascii', 'replace')}, not {crc16(segment):04X}")
    return segment
