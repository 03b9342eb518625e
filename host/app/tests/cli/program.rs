//! Runs the program as a shell would, in a folder of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The smallest host that serves something; the port is the system's choice.
pub(crate) const CONFIG: &str = r#"
[host]
listen = "127.0.0.1:0"
durability = "process"

[plugins.guide]
source = "builtin:guide"

[routes.desk]
replies = ["guide"]

[channels.front]
kind = "web"
route = "desk"
open = true
"#;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(20);

pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A folder with a config, gone with the test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new(config: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write(config);
        folder
    }
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    pub(crate) fn config(&self) -> PathBuf {
        self.path("switchhook.toml")
    }
    pub(crate) fn write(&self, config: &str) {
        std::fs::write(self.config(), config).unwrap();
    }
    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        finish(self.command(arguments).arg("--config").arg(self.config()))
    }
    pub(crate) fn run_without_config(&self, arguments: &[&str]) -> Output {
        finish(&mut self.command(arguments))
    }
    /// Starts a host and waits until it takes messages.
    pub(crate) fn start(&self) -> Host {
        let log = self.path("log");
        let mut command = self.command(&["run"]);
        command.arg("--config").arg(self.config()).stderr(File::create(&log).unwrap());
        let mut host = Host { child: command.spawn().unwrap(), log, address: self.path("data/api.address") };
        self.until("the host is ready", || {
            if let Some(status) = host.child.try_wait().unwrap() {
                panic!("the host ended ({status}): {}", host.log());
            }
            let address = std::fs::read_to_string(&host.address).ok().filter(|text| text.ends_with('\n'))?;
            (get(address.trim(), "/readyz", &["Host: localhost"]) == 200).then_some(())
        });
        host
    }
    /// Looks again and again until the answer is there.
    pub(crate) fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
            std::thread::sleep(GLANCE);
        }
    }
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchhook"));
        let nowhere = self.path("home");
        command.args(arguments).current_dir(self.0.path()).env("HOME", &nowhere).stdin(Stdio::null());
        for name in ["SWITCHHOOK_CONFIG", "SWITCHHOOK_LOG", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
            command.env_remove(name);
        }
        command
    }
}

fn finish(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A running host; killed with the test, if it was not stopped before.
pub(crate) struct Host {
    child: Child,
    log: PathBuf,
    address: PathBuf,
}

impl Host {
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }
    /// Asks it to end, as a service manager does; gives back its exit code.
    pub(crate) fn stop(&mut self) -> i32 {
        self.signal("TERM");
        self.child.wait().unwrap().code().unwrap()
    }
    pub(crate) fn log(&self) -> String {
        text(&self.log)
    }
    pub(crate) fn address(&self) -> String {
        text(&self.address).trim().to_owned()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The status that a GET answers with; 0 where nobody listens. By hand, since clients set `Host` themselves.
pub(crate) fn get(address: &str, path: &str, headers: &[&str]) -> u16 {
    let Ok(mut stream) = TcpStream::connect(address) else { return 0 };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    write!(stream, "GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n").unwrap();
    // `HTTP/1.1 200`: a stream of events goes on after it.
    let mut start = [0; 12];
    match stream.read_exact(&mut start) {
        Ok(()) => String::from_utf8_lossy(&start[9..]).parse().unwrap(),
        Err(_) => 0,
    }
}
