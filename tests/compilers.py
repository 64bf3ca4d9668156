"""Tests of what is compiled on the machine that it runs on."""

from __future__ import annotations

import pytest

from modelforge.computing import cxx

needs_compiler = pytest.mark.skipif(cxx() is None, reason="there is no C++ compiler")
"""ModelForge does without one. Where there is one, it has to work."""
