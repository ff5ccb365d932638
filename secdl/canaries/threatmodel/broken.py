raise RuntimeError("planted: a model that does not build")
