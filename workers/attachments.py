"""Files that nothing names any more."""

from domain.jobs import EraseFiles
from infra.jobs import Work, performs


@performs(EraseFiles)
async def erase_files(work: Work[EraseFiles]) -> None:
    await work.desk.files.delete(work.job.keys)
