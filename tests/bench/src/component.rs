//! Other components made of one: the same to whoever calls it, with another digest, and larger where that is wanted.

/// The name of the custom section that makes the difference.
const NAME: &[u8] = b"version";

/// Ids of sections, in a component and in a core module.
const CUSTOM: u8 = 0;
const CORE_MODULE: u8 = 1;
const TYPES: u8 = 1;
const FUNCTIONS: u8 = 3;
const MEMORIES: u8 = 5;
const CODE: u8 = 10;

const I32: u8 = 0x7f;
/// Locals of a function: its two parameters and four of its own.
const LOCALS: u32 = 6;
/// What a function is made of: about as much code as one of an interpreter has.
const STATEMENTS: u32 = 60;

/// The component with a custom section of a number at its end.
pub fn version(component: &[u8], number: u32) -> Vec<u8> {
    let mut content = vec![NAME.len() as u8];
    content.extend_from_slice(NAME);
    content.extend_from_slice(&number.to_le_bytes());
    let mut bytes = component.to_vec();
    section(&mut bytes, CUSTOM, &content);
    bytes
}

/// A version of the component with so many bytes of code that nobody calls, and everybody has to compile.
pub fn grown(component: &[u8], bytes: usize, number: u32) -> Vec<u8> {
    let mut grown = component.to_vec();
    section(&mut grown, CORE_MODULE, &module(bytes));
    version(&grown, number)
}

/// A core module of about this size: functions of two numbers that compute, read, write, branch and call one another.
fn module(size: usize) -> Vec<u8> {
    let mut chance = Chance(1);
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    let mut sum = 0;
    while sum < size {
        let body = body(&mut chance, bodies.len() as u32);
        sum += body.len() + 3;
        bodies.push(body);
    }
    let count = bodies.len() as u32;
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    section(&mut bytes, TYPES, &[1, 0x60, 2, I32, I32, 1, I32]);
    let mut functions = Vec::new();
    leb(&mut functions, count);
    functions.resize(functions.len() + count as usize, 0);
    section(&mut bytes, FUNCTIONS, &functions);
    section(&mut bytes, MEMORIES, &[1, 0, 1]);
    let mut code = Vec::new();
    leb(&mut code, count);
    for body in &bodies {
        leb(&mut code, body.len() as u32);
        code.extend_from_slice(body);
    }
    section(&mut bytes, CODE, &code);
    bytes
}

/// A function that may call those before it.
fn body(chance: &mut Chance, before: u32) -> Vec<u8> {
    const GET: u8 = 0x20;
    const SET: u8 = 0x21;
    let mut code = vec![1, LOCALS as u8 - 2, I32];
    for _ in 0..STATEMENTS {
        let (a, b, c) = (chance.below(LOCALS) as u8, chance.below(LOCALS) as u8, chance.below(LOCALS) as u8);
        match chance.below(5) {
            // c = a + constant
            0 => {
                code.extend_from_slice(&[GET, a, 0x41]);
                leb(&mut code, chance.below(64));
                code.extend_from_slice(&[0x6a, SET, c]);
            }
            // c = memory[a + offset] ^ b
            1 => {
                code.extend_from_slice(&[GET, a, 0x28, 2]);
                leb(&mut code, chance.below(4096));
                code.extend_from_slice(&[GET, b, 0x73, SET, c]);
            }
            // memory[a + offset] = b
            2 => {
                code.extend_from_slice(&[GET, a, GET, b, 0x36, 2]);
                leb(&mut code, chance.below(4096));
            }
            // unless a: c = b * c
            3 => code.extend_from_slice(&[0x02, 0x40, GET, a, 0x0d, 0, GET, b, GET, c, 0x6c, SET, c, 0x0b]),
            // c = function(a, b)
            _ if before > 0 => {
                code.extend_from_slice(&[GET, a, GET, b, 0x10]);
                leb(&mut code, chance.below(before));
                code.extend_from_slice(&[SET, c]);
            }
            _ => {}
        }
    }
    code.extend_from_slice(&[GET, LOCALS as u8 - 1, 0x0b]);
    code
}

fn section(bytes: &mut Vec<u8>, id: u8, content: &[u8]) {
    bytes.push(id);
    leb(bytes, content.len() as u32);
    bytes.extend_from_slice(content);
}

/// A number as WebAssembly writes those without a sign.
fn leb(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(bound)) as u32
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::Engine;
    use wasmtime::component::Component;

    use super::*;

    #[test]
    fn what_is_made_of_a_component_is_one() {
        let small = switchhook_builtin::component("allowlist").unwrap();
        let engine = Engine::default();
        let exports = |bytes: &[u8]| {
            let component = Component::new(&engine, bytes).unwrap();
            component.component_type().exports(&engine).map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        };
        let large = grown(small, 100_000, 1);
        assert!(large.len() > small.len() + 100_000);
        assert_eq!(exports(&large), exports(small));
        assert_eq!(exports(&version(small, 1)), exports(small));
        assert_ne!(version(small, 1), version(small, 2));
    }
}
