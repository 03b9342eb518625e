//! The life of a message, with hooks made of closures, a real journal and a connector that writes down what it carries.

mod asked;
mod bench;

mod busy;
mod deciding;
mod delivering;
mod ending;
mod limits;
mod order;
