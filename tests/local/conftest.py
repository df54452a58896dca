"""The real weights, for tests that run the real model."""

from pathlib import Path

import pytest

from tests.local_weights import weights_path


@pytest.fixture(scope="session")
def model_path() -> Path:
    """Give the embedded model's weights; the first run of a checkout fetches them."""
    return weights_path()
