//! No client tells anything of itself here.

pub(crate) struct Statistics;
