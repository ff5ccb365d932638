"""A tool of a small hypervisor."""


def double(value: int) -> int:
    return value * 2
