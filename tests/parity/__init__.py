"""The test cases of liblinphone and belle-sip as tests of this package; `rows.py` says which is which."""
