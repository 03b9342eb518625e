//! Numbers about numbers.

use anyhow::ensure;

/// Samples in order, at least one.
#[derive(Debug, Clone)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn new(mut values: Vec<f64>) -> anyhow::Result<Self> {
        ensure!(!values.is_empty(), "nothing was measured");
        ensure!(values.iter().all(|value| value.is_finite()), "a sample is no number: {values:?}");
        values.sort_by(f64::total_cmp);
        Ok(Self(values))
    }

    /// The smallest sample that so many percent of them do not exceed (nearest rank): always one that was measured.
    pub fn percentile(&self, percent: f64) -> f64 {
        let rank = (percent / 100.0 * self.0.len() as f64).ceil() as usize;
        self.0[rank.clamp(1, self.0.len()) - 1]
    }

    /// Of an even number, the mean of the middle two.
    pub fn median(&self) -> f64 {
        let half = self.0.len() / 2;
        if self.0.len() % 2 == 1 { self.0[half] } else { f64::midpoint(self.0[half - 1], self.0[half]) }
    }

    pub fn min(&self) -> f64 {
        self.0[0]
    }

    pub fn max(&self) -> f64 {
        self.0[self.0.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        Samples::new(values.to_vec()).unwrap()
    }

    #[test]
    fn percentiles_are_samples() {
        let hundred = samples(&(1..=100).rev().map(f64::from).collect::<Vec<_>>());
        assert_eq!([50.0, 95.0, 99.0, 100.0].map(|p| hundred.percentile(p)), [50.0, 95.0, 99.0, 100.0]);
        let three = samples(&[3.0, 1.0, 2.0]);
        assert_eq!([0.0, 33.0, 34.0, 99.0].map(|p| three.percentile(p)), [1.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(samples(&[9.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(samples(&[9.0, 1.0, 2.0, 4.0]).median(), 3.0);
        let spread = samples(&[9.0, 1.0, 2.0, 4.0]);
        assert_eq!((spread.min(), spread.max()), (1.0, 9.0));
    }

    #[test]
    fn nothing_has_no_statistics() {
        assert!(Samples::new(vec![]).is_err());
        assert!(Samples::new(vec![1.0, f64::NAN]).is_err());
    }
}
