"""One run as a whole: its trainer, its folder, what may be asked of it, and how it is continued.

A rule about run folders, a check of trainer settings, or what a resumed run must keep goes here.

May import: callbacks, training, checkpoints, base.
"""
