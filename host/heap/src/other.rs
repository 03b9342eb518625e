pub(super) fn trim() -> bool {
    false
}
