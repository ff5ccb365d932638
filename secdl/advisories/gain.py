"""What an attacker gains from a vulnerability, told from its CVSS vector."""

_FROM = {
    "N": "over the network",
    "A": "from the adjacent network",
    "L": "from a process on the machine",
    "P": "with the machine at hand",
}
_AS = {"N": "without an account", "L": "with an ordinary account", "H": "with a privileged account"}
_IMPACTS = (
    (("C", "VC"), {"H": "reads all data", "L": "reads some data"}),
    (("I", "VI"), {"H": "changes any data", "L": "changes some data"}),
    (("A", "VA"), {"H": "stops the service", "L": "slows the service down"}),
)


def gain_of(word: str) -> str:
    """One line out of the CVSS 3 or 4 vector in `word`; empty where there is none, or it grants nothing."""
    vector = next((part for part in word.split() if part.startswith(("CVSS:3", "CVSS:4"))), "")
    metrics = dict(metric.split(":", 1) for metric in vector.split("/") if ":" in metric)
    does = [told[value] for names, told in _IMPACTS for name in names if (value := metrics.get(name, "")) in told]
    start, account = _FROM.get(metrics.get("AV", "")), _AS.get(metrics.get("PR", ""))
    if not (does and start and account):
        return ""
    helped = "" if metrics.get("UI") == "N" else ", once a user plays along"
    last = f" and {does[-1]}" if len(does) > 1 else does[-1]
    return f"An attacker {start}, {account}{helped}, {', '.join(does[:-1])}{last}"
