//! The life of a message, with hooks made of closures, a real journal and a connector that writes down what it carries.

mod bench;
mod wired;

mod asked;
mod busy;
mod calls;
mod deciding;
mod delivering;
mod disk;
mod ending;
mod limits;
mod order;
