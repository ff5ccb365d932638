"""What an attacker gains by what bandit finds, and the next action. bandit itself says neither."""

from secdl.model.tool import Rule

_COMMAND = ("whoever chooses a part of the command runs programs as this service", "pass a list of arguments, no shell")
_PARTIAL = ("another program of that name earlier on PATH runs instead", "name the program by its absolute path")
_CODE = ("whoever chooses the text runs code in this process", "parse the text instead of running it")
_OBJECTS = (
    "whoever can write the bytes runs code in the process that reads them",
    "store JSON or another plain format",
)
_HASH = ("whoever can make collisions passes one file off for another", "use hashlib.sha256 or better")
_CIPHER = ("whoever records the traffic or the file reads it with moderate effort", "use AES-GCM or ChaCha20-Poly1305")
_RANDOM = ("tokens and names can be foreseen", "use the secrets module where the value must not be guessed")
_PASSWORD = (
    "every reader of the source, and every holder of the product, logs in with it",
    "read it from a file or service that only the running account can open",
)
_XML = (
    "whoever writes the document exhausts memory or reads local files",
    "refuse documents with a document type, or parse with defusedxml",
)
_TLS = (
    "whoever sits between this service and its peer reads and changes what they say",
    "keep certificate checks on, TLS 1.2 or later, and trust the site's own authority",
)
_CLEAR = ("whoever sees the network reads user names, passwords and data", "use SSH or TLS")
_TEMPORARY = (
    "another local user puts a file or link there first and gets written or read in its place",
    "use tempfile.TemporaryDirectory or mkstemp",
)
_QUERY = ("whoever chooses a part of the query reads or changes other rows", "pass values as parameters")
_PAGE = ("whoever chooses the text runs script in the browser of who reads it", "escape it: autoescape, no Markup")

_ABOUT: dict[str, tuple[str, tuple[str, str]]] = {
    "B101": ("An assertion in place of a check", ("with python -O the check is gone", "raise an error of its own")),
    "B102": ("exec", _CODE),
    "B103": (
        "A file with permissions for everybody",
        ("any local account changes the file or talks to the socket", "give it to the group that needs it"),
    ),
    "B104": (
        "A service on every address",
        ("guests and every other network reach it", "bind to the management address or to 127.0.0.1"),
    ),
    "B105": ("A password in the source", _PASSWORD),
    "B106": ("A password as an argument", _PASSWORD),
    "B107": ("A password as a default", _PASSWORD),
    "B108": ("A fixed name in a shared temporary folder", _TEMPORARY),
    "B113": (
        "A request without a time limit",
        ("a peer that never answers stops this service", "pass timeout=…"),
    ),
    "B202": (
        "An archive unpacked without a filter",
        ("whoever made the archive writes files outside the target folder", 'pass filter="data"'),
    ),
    "B301": ("pickle", _OBJECTS),
    "B302": ("marshal", _OBJECTS),
    "B303": ("A broken hash", _HASH),
    "B304": ("A broken cipher", _CIPHER),
    "B305": ("A cipher mode that shows patterns", _CIPHER),
    "B306": ("mktemp", _TEMPORARY),
    "B307": ("eval", _CODE),
    "B310": (
        "A URL whose scheme is not checked",
        ("whoever chooses the URL reads local files (file:) or reaches inner services", "allow https alone"),
    ),
    "B311": ("A random number that can be foreseen", _RANDOM),
    "B312": ("telnet", _CLEAR),
    "B321": ("FTP", _CLEAR),
    "B323": ("TLS without checking the other side", _TLS),
    "B324": ("A broken hash", _HASH),
    "B401": ("telnet", _CLEAR),
    "B402": ("FTP", _CLEAR),
    "B403": ("pickle is imported", _OBJECTS),
    "B404": ("subprocess is imported", _COMMAND),
    "B501": ("TLS without checking the other side", _TLS),
    "B502": ("An old TLS version", _TLS),
    "B503": ("An old TLS version by default", _TLS),
    "B504": ("TLS without a version", _TLS),
    "B505": ("A key that is too short", _CIPHER),
    "B506": ("YAML that builds any object", _OBJECTS),
    "B507": ("SSH without checking the host's key", _TLS),
    "B601": ("A shell command over SSH", _COMMAND),
    "B602": ("A command through a shell", _COMMAND),
    "B603": ("A program is started", _COMMAND),
    "B604": ("A call with shell=True", _COMMAND),
    "B605": ("A command through a shell", _COMMAND),
    "B606": ("A program is started", _COMMAND),
    "B607": ("A program by its bare name", _PARTIAL),
    "B608": ("A query that is put together", _QUERY),
    "B609": ("A wildcard in a command", _COMMAND),
    "B610": ("A part of a query from outside", _QUERY),
    "B611": ("Raw SQL", _QUERY),
    "B701": ("Templates without escaping", _PAGE),
    "B702": ("Templates without escaping", _PAGE),
    "B703": ("Text marked as safe", _PAGE),
    "B704": ("Text marked as safe", _PAGE),
}
_ABOUT |= {f"B{number}": ("An XML parser that expands entities", _XML) for number in range(313, 321)}
_ABOUT |= {f"B{number}": ("An XML parser that expands entities is imported", _XML) for number in range(405, 410)}

RULES = {id_: Rule(id=id_, title=title, gain=gain, fix=fix) for id_, (title, (gain, fix)) in sorted(_ABOUT.items())}
"""By test id; tests that are not here speak for themselves."""
