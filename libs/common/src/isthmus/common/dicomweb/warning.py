"""Values of the Warning header.

In the form `299 <service>: <text>` that PS3.18 prints, where <service> is the base URI of the origin server.
RFC 7234 5.5 wants the text in quotes; clients look for the standard's form, so that is what they get.
"""


def warning_header(service: str, text: str) -> str:
    """Give the value of one Warning header; characters that no header can hold become "?".

    Args:
        service: The base URI of the origin server: scheme, authority and path.
        text: What the client must know.
    """
    value = f"299 {service}: {text}"
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in value)


def additional_results(remaining: int | None) -> str:
    """Give the text of PS3.18 8.3.4.4.1 for a search that has more matches than the answer holds.

    Args:
        remaining: How many more; None where that is unknown, because DIMSE tells no total.
    """
    number = "" if remaining is None else f"{remaining} "
    return f"There are {number}additional results that can be requested"
