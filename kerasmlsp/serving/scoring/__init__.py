"""Jobs: a saved model answers every row of tables, or every file of folders, however many there are.

`plan` finds out what is to be done, `score` does it. Rows are read, answered and written in parts. Each part is one
file of the output, which appears when it is whole, so that a job that was killed goes on where it stopped, and its
result is the same to the byte. Rows that the model refuses stand in `_rejected.jsonl` with the reason.

- `_manifest.json`: the model, the settings, and the size and SHA-256 of every file that is read.
- `part-*.parquet` (or `.csv`, `.jsonl`): the answers, in the order of the input by their names.
- `_rejected.jsonl`: the rows without an answer, if there are any.
- `.unfinished/`: what a job has to know to go on; gone when it is over.
"""

from kerasmlsp.serving.scoring.planning import Job, Options, plan
from kerasmlsp.serving.scoring.running import here, score

__all__ = ["Job", "Options", "here", "plan", "score"]
