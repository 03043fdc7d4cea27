"""Writes rows.parquet: 250 rows in two row groups, Snappy. Made with Python 3.11.7, pyarrow 25.0.1: python3 make_parquet.py"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

n = 250
table = pa.table({
    "text": pa.array([f"line {i} é" for i in range(n)], pa.string()),
    "label": pa.array([None if i % 10 == 3 else i for i in range(n)], pa.int32()),
    "score": pa.array([i / 4 for i in range(n)], pa.float64()),
})
pq.write_table(table, Path(__file__).with_name("rows.parquet"), compression="snappy", row_group_size=200)
