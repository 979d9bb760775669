"""Who trains and who tests: splitters by subject, fold lists, and the audit that proves that nothing leaks.

:mod:`~ferdis.protocol.splitters` deals subjects into :mod:`~ferdis.protocol.folds`; :mod:`~ferdis.protocol.leakage`
audits folds and parameters, with :mod:`~ferdis.protocol.near_duplicates` to find copies of an image.
"""

from __future__ import annotations

from ferdis.protocol.folds import PARTS, Fold, read_fold_table, read_folds, row_names, write_folds
from ferdis.protocol.leakage import AuditReport, Leak, LeakError, audit, audit_list, audit_parameters
from ferdis.protocol.published import (
    CKPlusAscending,
    FER2013Official,
    RAFDBOfficial,
    SFEWOfficial,
    describe_protocols,
    protocol_named,
)
from ferdis.protocol.splitters import (
    CalibratedKFold,
    CrossDataset,
    FoldList,
    LeaveOneDatasetOut,
    LeaveOneSubjectOut,
    OfficialSplit,
    Splitter,
    SubjectKFold,
    TransductiveKFold,
    partitioned,
    repeat,
)

__all__ = [
    "PARTS",
    "AuditReport",
    "CKPlusAscending",
    "CalibratedKFold",
    "CrossDataset",
    "FER2013Official",
    "Fold",
    "FoldList",
    "Leak",
    "LeakError",
    "LeaveOneDatasetOut",
    "LeaveOneSubjectOut",
    "OfficialSplit",
    "RAFDBOfficial",
    "SFEWOfficial",
    "Splitter",
    "SubjectKFold",
    "TransductiveKFold",
    "audit",
    "audit_list",
    "audit_parameters",
    "describe_protocols",
    "partitioned",
    "protocol_named",
    "read_fold_table",
    "read_folds",
    "repeat",
    "row_names",
    "write_folds",
]
