"""StoreConformance: what every store has to do, as tests to run on a store of one's own."""

from __future__ import annotations

import sys

from planai.errors import MissingDependency

try:
    import pytest
except ImportError as error:
    raise MissingDependency(f"StoreConformance needs pytest: pip install pytest ({error})") from error

# Without it, a test that fails would not show what was compared. It can only be asked for before they are imported.
_GROUPS = [f"planai.testing.{name}" for name in ("store_keeping", "store_limits", "store_sharing")]
pytest.register_assert_rewrite(*(name for name in _GROUPS if name not in sys.modules))

from planai.testing.store_keeping import Keeping  # noqa: E402
from planai.testing.store_limits import Limits  # noqa: E402
from planai.testing.store_sharing import Sharing  # noqa: E402


class StoreConformance(Keeping, Limits, Sharing):
    """Tests that every `planai.cache.store.Store` passes; made tests of your store by a class that pytest finds.

    ::

        from planai.testing import StoreConformance

        class TestMyStore(StoreConformance):
            def make_store(self, folder):
                return MyStore(folder)

    Attributes:
        persistent: whether a second store made with the same folder shares the records of the first, at the same time,
            after it, and in another process. Where it is False, the tests of that are skipped.
    """
