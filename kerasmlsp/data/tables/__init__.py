"""Tables and texts from files: CSV, TSV, JSON Lines, Parquet and Excel, whole or in pieces.

pandas, pyarrow and openpyxl are imported where they are used, so that importing this package costs nothing.
"""

from kerasmlsp.data.tables._opening import open_text
from kerasmlsp.data.tables.reading import check_columns, columns, is_table, read_rows, read_table
from kerasmlsp.data.tables.texts import read_lines, read_text, read_texts, text_files

__all__ = [
    "check_columns",
    "columns",
    "is_table",
    "open_text",
    "read_lines",
    "read_rows",
    "read_table",
    "read_text",
    "read_texts",
    "text_files",
]
