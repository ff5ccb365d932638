"""How external programs are had: the lock, the store of built tools, and one module per way."""
