//! Welch's t over two classes of times, uncropped and cropped at percentiles.

/// Which of the two classes a time belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The one.
    Left,
    /// The other.
    Right,
}

/// From which |t| on two classes differ. By chance alone a t of 5 comes once in two million.
pub const THRESHOLD: f64 = 5.0;

/// How many percentiles the times are cropped at: dudect's number.
const CROPS: u32 = 100;

/// A crop is judged when it has left this many times in each class, unless told otherwise: dudect's number, halved as it is
/// per class.
const ENOUGH: f64 = 5_000.0;

/// Takes times in, and says at any moment how much the classes differ.
#[derive(Debug, Clone)]
pub struct Welch {
    /// Rising thresholds, each with what fell below it; the last is infinite.
    crops: Vec<Crop>,
    enough: f64,
}

/// What came of a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finding {
    /// The t of the crop where |t| is largest. It is positive when the left class is slower.
    pub t: f64,
    /// How many times that crop holds.
    pub samples: f64,
    /// By how much the left class's mean is above the right's in that crop, in the unit of the times.
    pub difference: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Crop {
    below: f64,
    left: Moments,
    right: Moments,
}

/// Mean and variance in one pass (Welford), which keeps its digits where sums of squares lose them.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn push(&mut self, value: f64) {
        self.count += 1.0;
        let off = value - self.mean;
        self.mean += off / self.count;
        self.squares += off * (value - self.mean);
    }

    /// The variance of the mean.
    fn uncertainty(&self) -> f64 {
        self.squares / (self.count - 1.0) / self.count
    }
}

impl Crop {
    fn finding(&self) -> Finding {
        let difference = self.left.mean - self.right.mean;
        let uncertainty = (self.left.uncertainty() + self.right.uncertainty()).sqrt();
        Finding {
            // Times that are all the same differ not at all, or for certain.
            t: if difference == 0.0 {
                0.0
            } else {
                difference / uncertainty
            },
            samples: self.left.count + self.right.count,
            difference,
        }
    }

    fn is_enough(&self, enough: f64) -> bool {
        self.left.count >= enough && self.right.count >= enough
    }
}

impl Welch {
    /// Learns from times of both classes, mixed, where to crop. They are not counted themselves.
    ///
    /// The percentiles are dudect's: 1 - 2^(-k/10), so that they crowd where the outliers are.
    #[must_use]
    pub fn calibrated(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |quantile: f64| {
            let share = |index: usize| f64::from(u32::try_from(index).unwrap_or(u32::MAX));
            let rank = quantile * share(times.len());
            let below = |index: &usize| share(*index) < rank;
            let index = (0..times.len()).collect::<Vec<_>>().partition_point(below);
            times.get(index).copied().unwrap_or(f64::INFINITY)
        };
        let mut thresholds: Vec<f64> = (1..=CROPS)
            .map(|k| at(1.0 - 0.5_f64.powf(f64::from(k) / 10.0)))
            .chain([f64::INFINITY])
            .collect();
        thresholds.dedup();
        let crops = thresholds.into_iter().map(|below| Crop {
            below,
            ..Crop::default()
        });
        Self {
            crops: crops.collect(),
            enough: ENOUGH,
        }
    }

    /// Judges a crop when it has left this many times in each class: fewer where each takes long.
    #[must_use]
    pub fn enough(mut self, times: u32) -> Self {
        self.enough = f64::from(times);
        self
    }

    /// Counts one time.
    pub fn push(&mut self, class: Class, time: f64) {
        let first = self.crops.partition_point(|crop| crop.below <= time);
        for crop in self.crops.iter_mut().skip(first) {
            match class {
                Class::Left => crop.left.push(time),
                Class::Right => crop.right.push(time),
            }
        }
    }

    /// The crop in which the classes differ most; none before there are enough times to say.
    #[must_use]
    pub fn worst(&self) -> Option<Finding> {
        self.crops
            .iter()
            .filter(|crop| crop.is_enough(self.enough))
            .map(Crop::finding)
            .max_by(|a, b| a.t.abs().total_cmp(&b.t.abs()))
    }
}
