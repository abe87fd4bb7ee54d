"""From files to arrays to batches: tables, pictures, texts, IDX files, TensorFlow Datasets, and how they are split."""
