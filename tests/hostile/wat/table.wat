;; A policy that makes its table larger for ever where the message is long, and lets every short one pass: no compiler
;; emits a growing table by itself.
(module
  (memory (export "memory") 2)
  (table $refs 1 funcref)
  (global $top (mut i32) (i32.const 4096))
  (data (i32.const 0) "\00\01\00\00\05\00\00\00\10\01\00\00\05\00\00\00\20\01\00\00\0f\00\00\00\00\00\00\00\00\00\00\00\00\00")
  (data (i32.const 256) "table")
  (data (i32.const 272) "1.0.0")
  (data (i32.const 288) "Grows its table")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "switchhook:plugin/about@0.1.0#describe") (result i32)
    (i32.store16 (i32.const 32) (i32.const 1))
    (i32.const 0))
  (func (export "switchhook:plugin/about@0.1.0#configure") (param i32 i32) (result i32) (i32.const 64))
  (func (export "switchhook:plugin/policy@0.1.0#decide") (param i32) (result i32)
    (if (i32.gt_u (global.get $top) (i32.const 7168)) (then
      (loop $next (drop (table.grow $refs (ref.null func) (i32.const 1000))) (br $next))))
    (i32.const 128))
)
