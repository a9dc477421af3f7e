"""A lab that measures normalization layers: trials, their records, and the table made from them."""
