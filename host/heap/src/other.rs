pub(super) fn trim() {}
