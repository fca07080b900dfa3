"""Which data set a hub has served before, noted in its --data folder: an emptied Redis must not look like "no jobs"."""

from __future__ import annotations

from pathlib import Path

from empq.errors import StartRefused
from empq.settings import Settings
from empq.store.store import Store

FILE = "dataset"


class KnownData:
    """Noted only once Redis has the data set on disk: what Redis may still forget, a hub must not insist on."""

    def __init__(self, settings: Settings) -> None:
        self._file = Path(settings.data) / FILE if settings.data else None
        self._accepts_any = settings.accept_dataset
        self._seen = ""
        self._is_noted = self._file is None

    def expected(self) -> str:
        """The id noted, "" where there is none or any is accepted. Raises StartRefused where it cannot be read."""
        if self._file is None or self._accepts_any:
            return ""
        try:
            return self._file.read_text().strip()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise StartRefused(f"cannot read {self._file}: {error}") from None

    async def note(self, store: Store, dataset_id: str) -> int:
        """One pass; notes the id where two passes found all written and synced."""
        if self._is_noted or self._file is None:
            return 0
        seen, self._seen = self._seen, await store.on_disk()
        if not seen or seen != self._seen:
            return 0
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_suffix(".new")
        beside.write_text(dataset_id + "\n")
        beside.replace(self._file)
        self._is_noted = True
        return 1
