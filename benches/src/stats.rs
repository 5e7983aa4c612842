//! What is said about a row's runs: the median, and how far the runs spread around it.

/// Figures of one peer in one row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Distance between the quartiles in percent of the median: half of all runs lie within it.
    pub(crate) spread: f64,
    pub(crate) runs: Vec<f64>,
}

impl Summary {
    /// `None` without a run.
    pub(crate) fn of(runs: &[f64]) -> Option<Summary> {
        let mut sorted = runs.to_vec();
        sorted.sort_by(f64::total_cmp);
        let median = quantile(&sorted, 0.5)?;
        let (low, high) = (quantile(&sorted, 0.25)?, quantile(&sorted, 0.75)?);
        Some(Summary {
            median,
            low: sorted[0],
            high: sorted[sorted.len() - 1],
            spread: if median > 0.0 {
                (high - low) / median * 100.0
            } else {
                0.0
            },
            runs: runs.to_vec(),
        })
    }
}

/// The quartiles of `runs`. `None` without a run.
pub(crate) fn quartiles(runs: &[f64]) -> Option<[f64; 2]> {
    let mut sorted = runs.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some([quantile(&sorted, 0.25)?, quantile(&sorted, 0.75)?])
}

/// Between two values of the sorted list, in proportion.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_run_has_no_summary() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(quartiles(&[]), None);
    }

    #[test]
    fn one_run_is_its_own_median_without_spread() {
        let summary = Summary::of(&[7.0]).unwrap();
        assert_eq!((summary.median, summary.spread), (7.0, 0.0));
    }

    #[test]
    fn an_outlier_moves_neither_median_nor_spread() {
        let calm = Summary::of(&[4.0, 2.0, 3.0, 5.0, 6.0]).unwrap();
        let wild = Summary::of(&[4.0, 2.0, 3.0, 5.0, 500.0]).unwrap();
        assert_eq!((calm.median, calm.spread), (4.0, 50.0));
        assert_eq!((wild.median, wild.spread), (calm.median, calm.spread));
    }
}
