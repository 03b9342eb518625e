use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::*;

/// Longer than any machine needs; a test that passes does not wait for it.
const PATIENT: Duration = Duration::from_secs(20);
/// Many times the quiet and settle times of the tests: what does not come within it does not come.
const BRIEF: Duration = Duration::from_millis(300);

fn options() -> WatchOptions {
    WatchOptions {
        quiet: Duration::from_millis(10),
        settle: Duration::from_millis(5),
        // Beyond the end of every test: only events can wake the watcher.
        poll: Duration::from_secs(600),
        events: true,
    }
}

fn polling() -> WatchOptions {
    WatchOptions { poll: Duration::from_millis(20), events: false, ..options() }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn start(file: &Path, options: WatchOptions) -> (Watcher, Receiver<()>) {
    Watcher::start(vec![file.to_owned()], options).unwrap()
}

async fn notice(receiver: &mut Receiver<()>) {
    timeout(PATIENT, receiver.recv()).await.expect("a notice").expect("a watcher");
}

async fn silence(receiver: &mut Receiver<()>) {
    assert!(timeout(BRIEF, receiver.recv()).await.is_err(), "a notice without a change");
}

/// Waits for notices until the last of them was given with the file as it is now. A half-written file may be reported
/// on the way; what counts is that the end is.
async fn until_quiet(receiver: &mut Receiver<()>) -> usize {
    let mut notices = 0;
    while timeout(BRIEF, receiver.recv()).await.is_ok_and(|notice| notice.is_some()) {
        notices += 1;
    }
    notices
}

fn replace(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, file).unwrap();
}

/// F2
#[tokio::test]
async fn a_rename_over_the_file_is_noticed_every_time() {
    let folder = folder();
    let file = folder.path().join("a.toml");
    fs::write(&file, "0").unwrap();
    let (_watcher, mut receiver) = start(&file, options());
    for text in ["1", "2", "3"] {
        replace(&file, text);
        notice(&mut receiver).await;
    }
}

/// F2
#[tokio::test]
async fn a_write_in_place_is_noticed() {
    let folder = folder();
    let file = folder.path().join("a.toml");
    fs::write(&file, "before").unwrap();
    let (_watcher, mut receiver) = start(&file, options());
    fs::write(&file, "after!").unwrap();
    notice(&mut receiver).await;
}

#[tokio::test]
async fn the_end_of_a_file_written_in_pieces_is_noticed() {
    let folder = folder();
    let file = folder.path().join("a.toml");
    fs::write(&file, "").unwrap();
    let (_watcher, mut receiver) = start(&file, options());
    let mut open = fs::OpenOptions::new().append(true).open(&file).unwrap();
    open.write_all(b"half").unwrap();
    notice(&mut receiver).await;
    open.write_all(b" and the rest").unwrap();
    notice(&mut receiver).await;
    assert_eq!(until_quiet(&mut receiver).await, 0);
}

/// F2
#[tokio::test]
async fn a_kubernetes_volume_swap_is_noticed_every_time() {
    let folder = folder();
    let mount = folder.path();
    let publish = |name: &str, text: &str| {
        fs::create_dir(mount.join(name)).unwrap();
        fs::write(mount.join(name).join("a.toml"), text).unwrap();
        symlink(name, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    publish("..1", "1");
    symlink("..data/a.toml", mount.join("a.toml")).unwrap();
    let (_watcher, mut receiver) = start(&mount.join("a.toml"), options());
    for (name, before) in [("..2", "..1"), ("..3", "..2"), ("..4", "..3")] {
        publish(name, name);
        fs::remove_dir_all(mount.join(before)).unwrap();
        notice(&mut receiver).await;
    }
}

#[tokio::test]
async fn the_target_of_a_link_is_watched_where_it_lies() {
    let (here, there) = (folder(), folder());
    let target = there.path().join("real.toml");
    fs::write(&target, "1").unwrap();
    symlink(&target, here.path().join("a.toml")).unwrap();
    let (_watcher, mut receiver) = start(&here.path().join("a.toml"), options());
    replace(&target, "2");
    notice(&mut receiver).await;
}

#[tokio::test]
async fn a_file_that_goes_and_comes_is_noticed_both_times() {
    let folder = folder();
    let file = folder.path().join("a.toml");
    fs::write(&file, "1").unwrap();
    let (_watcher, mut receiver) = start(&file, options());
    fs::remove_file(&file).unwrap();
    notice(&mut receiver).await;
    fs::write(&file, "1").unwrap();
    notice(&mut receiver).await;
}

#[tokio::test]
async fn a_folder_that_goes_and_comes_is_watched_again() {
    let folder = folder();
    let file = folder.path().join("deep/er/a.toml");
    let (_watcher, mut receiver) = start(&file, options());
    for text in ["1", "2"] {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        replace(&file, text);
        notice(&mut receiver).await;
        until_quiet(&mut receiver).await;
        fs::remove_dir_all(folder.path().join("deep")).unwrap();
        notice(&mut receiver).await;
        until_quiet(&mut receiver).await;
    }
}

/// F2: a file system without events.
#[tokio::test]
async fn polling_alone_notices() {
    let folder = folder();
    let file = folder.path().join("a.toml");
    fs::write(&file, "1").unwrap();
    let (_watcher, mut receiver) = start(&file, polling());
    replace(&file, "2");
    notice(&mut receiver).await;
    silence(&mut receiver).await;
}

#[tokio::test]
async fn reading_and_rewriting_the_same_is_no_change() {
    let folder = folder();
    let file = folder.path().join("a.toml");
    fs::write(&file, "1").unwrap();
    let (_watcher, mut receiver) = start(&file, options());
    for _ in 0..20 {
        fs::read(&file).unwrap();
    }
    replace(&file, "1");
    fs::write(folder.path().join("another"), "x").unwrap();
    silence(&mut receiver).await;
    // It was awake all the time.
    replace(&file, "2");
    notice(&mut receiver).await;
    silence(&mut receiver).await;
}

#[tokio::test]
async fn the_files_of_another_config_are_watched_instead() {
    let folder = folder();
    let [config, old, new] = ["a.toml", "old-secret", "new-secret"].map(|name| folder.path().join(name));
    for file in [&config, &old, &new] {
        fs::write(file, "1").unwrap();
    }
    // File times are coarser than the clock.
    let before = fs::metadata(&new).unwrap().modified().unwrap();
    while SystemTime::now().duration_since(before).is_ok_and(|age| age < Duration::from_millis(20)) {
        tokio::task::yield_now().await;
    }
    let (watcher, mut receiver) = Watcher::start(vec![config.clone(), old.clone()], options()).unwrap();
    watcher.watch(vec![config.clone(), new.clone()]);
    silence(&mut receiver).await;
    fs::write(&old, "2").unwrap();
    silence(&mut receiver).await;
    fs::write(&new, "2").unwrap();
    notice(&mut receiver).await;
    fs::write(&config, "2").unwrap();
    notice(&mut receiver).await;
}

/// Between the reading of a config and the call that names its files, one of them may change.
#[tokio::test]
async fn a_new_file_that_changed_since_the_last_notice_is_reported() {
    let folder = folder();
    let [config, secret] = ["a.toml", "secret"].map(|name| folder.path().join(name));
    fs::write(&config, "1").unwrap();
    fs::write(&secret, "1").unwrap();
    let (watcher, mut receiver) = start(&config, options());
    let begin = SystemTime::now();
    while fs::metadata(&secret).unwrap().modified().unwrap() <= begin {
        fs::write(&secret, "2").unwrap();
    }
    watcher.watch(vec![config, secret]);
    notice(&mut receiver).await;
    silence(&mut receiver).await;
}

#[tokio::test]
async fn many_changes_make_one_notice_for_a_slow_reader() {
    let folder = folder();
    let file = folder.path().join("a.toml");
    let (watcher, mut receiver) = start(&file, polling());
    for n in 0..50 {
        replace(&file, &n.to_string());
        tokio::task::yield_now().await;
    }
    notice(&mut receiver).await;
    assert!(until_quiet(&mut receiver).await <= 1);
    drop(watcher);
    assert_eq!(receiver.recv().await, None);
}
