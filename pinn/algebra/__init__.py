"""Truncated Taylor arithmetic: channels, series, smooth functions, the jet."""
