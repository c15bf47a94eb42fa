"""What the database still has and no model names any more, so that a release later a migration may drop it."""

# "table.column", or "table". What old code still needs must not be missed by rows that new code writes: a column here
# is nullable or has a default.
LEAVING: frozenset[str] = frozenset({"metric_histograms"})
