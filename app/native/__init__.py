"""Two loops in C that Python and NumPy are too slow for: the numbers of a JSON matrix, and the walk through trees.

They are compiled when the project is installed, if there is a compiler; without one the general ways give the same
results, only slower. A plain shared library, called by ctypes: it needs no headers of Python, and one file serves every
version of it.
"""
