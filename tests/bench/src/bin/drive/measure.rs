//! What is measured, and what was.

use switchhook_bench::Samples;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    FirstStart,
    Start,
    IdleRss,
    IdlePss,
    IdleAnon,
    Shown,
    AloneP50,
    AloneP95,
    AloneP99,
    AloneCpu,
    Burst,
    BurstCpu,
    FakesCpu,
    SteadyRate,
    SteadyP50,
    SteadyP99,
    SteadyCpu,
    LoadedRss,
    LoadedPss,
    LoadedAnon,
    Edit,
    GapBefore,
    GapDuring,
}

impl Measure {
    /// In the order in which they are shown.
    pub(crate) const ALL: [Self; 23] = [
        Self::FirstStart,
        Self::Start,
        Self::IdleRss,
        Self::IdlePss,
        Self::IdleAnon,
        Self::AloneP50,
        Self::AloneP95,
        Self::AloneP99,
        Self::AloneCpu,
        Self::Burst,
        Self::BurstCpu,
        Self::SteadyRate,
        Self::SteadyP50,
        Self::SteadyP99,
        Self::SteadyCpu,
        Self::LoadedRss,
        Self::LoadedPss,
        Self::LoadedAnon,
        Self::Edit,
        Self::GapBefore,
        Self::GapDuring,
        Self::FakesCpu,
        Self::Shown,
    ];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::FirstStart => "first start (nothing compiled) to first poll, ms",
            Self::Start => "start to first poll, ms",
            Self::IdleRss => "idle memory (RSS), MiB",
            Self::IdlePss => "idle memory (PSS), MiB",
            Self::IdleAnon => "idle memory (own pages), MiB",
            Self::AloneP50 => "one message at a time, p50, ms",
            Self::AloneP95 => "one message at a time, p95, ms",
            Self::AloneP99 => "one message at a time, p99, ms",
            Self::AloneCpu => "CPU for each, one at a time, ms",
            Self::Burst => "burst from 50 chats, messages/s",
            Self::BurstCpu => "CPU for each, in a burst, ms",
            Self::SteadyRate => "fixed rate, as written, messages/s",
            Self::SteadyP50 => "fixed rate, p50, ms",
            Self::SteadyP99 => "fixed rate, p99, ms",
            Self::SteadyCpu => "CPU for each, at the fixed rate, ms",
            Self::LoadedRss => "memory after load (RSS), MiB",
            Self::LoadedPss => "memory after load (PSS), MiB",
            Self::LoadedAnon => "memory after load (own pages), MiB",
            Self::Edit => "allowlist edit, save to first answer, ms",
            Self::GapBefore => "longest gap between polls, no edit, ms",
            Self::GapDuring => "longest gap between polls, in an edit, ms",
            Self::FakesCpu => "CPU of the two fakes for each, in a burst, ms",
            Self::Shown => "messages shown to the model with each",
        }
    }

    /// Decimals that mean something.
    pub(crate) fn decimals(self) -> usize {
        match self {
            Self::Burst | Self::Shown | Self::SteadyRate => 0,
            Self::AloneP50 | Self::AloneP95 | Self::AloneP99 | Self::SteadyP50 | Self::SteadyP99 => 2,
            Self::AloneCpu | Self::BurstCpu | Self::SteadyCpu | Self::FakesCpu => 2,
            _ => 1,
        }
    }
}

/// Values in the order in which they were measured; a measure may have several.
#[derive(Debug, Default)]
pub(crate) struct Results(Vec<(Measure, f64)>);

impl Results {
    pub(crate) fn add(&mut self, measure: Measure, value: f64) {
        self.0.push((measure, value));
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// None where it was not measured.
    pub(crate) fn of(&self, measure: Measure) -> Option<Samples> {
        let values = self.0.iter().filter(|(of, _)| *of == measure).map(|(_, value)| *value);
        Samples::new(values.collect()).ok()
    }
}
