;; Returns the bytes it is fed as if it had made a value of them: `kv.get("lift")` gives what its memory holds from 4096
;; on, and 4096 is what every hook returns. Where the sender is in the group "lift", it first passes what is there to a
;; function of the host, as addresses, lengths and numbers. A text as settings is read as hexadecimal digits and
;; returned by `configure` in the same way. For the fuzzer of whatever is lifted from a guest.
(module
  (import "switchhook:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))
  (import "switchhook:plugin/groups@0.1.0" "sender-in" (func $sender_in (param i32 i32) (result i32)))
  (import "switchhook:plugin/groups@0.1.0" "contains" (func $contains (param i32 i32 i32 i32) (result i32)))
  (import "switchhook:plugin/history@0.1.0" "turns" (func $turns (param i32 i32 i32)))
  (import "switchhook:plugin/kv@0.1.0" "get" (func $get (param i32 i32 i32)))
  (import "switchhook:plugin/kv@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))
  (import "switchhook:plugin/kv@0.1.0" "delete" (func $delete (param i32 i32)))
  (import "switchhook:plugin/kv@0.1.0" "increment" (func $increment (param i32 i32 i64 i32)))
  (import "switchhook:plugin/kv-shared@0.1.0" "set" (func $set_shared (param i32 i32 i32 i32 i32)))
  (import "switchhook:plugin/attachments@0.1.0" "read" (func $read (param i32 i32 i64 i32 i32)))
  (memory (export "memory") 4)
  (global $top (mut i32) (i32.const 131072))

  ;; 0: the description; 64: nothing wrong with the settings.
  (data (i32.const 0) "\00\01\00\00\06\00\00\00\10\01\00\00\05\00\00\00\20\01\00\00\0f\00\00\00\00\00\00\00\00\00\00\00")
  (data (i32.const 32) "\01\00\00\00\00\00\00\00\00\00\00\00\0f")
  (data (i32.const 256) "mirror")
  (data (i32.const 272) "1.0.0")
  (data (i32.const 288) "Shows what came")
  (data (i32.const 512) "lift")

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  (func $nibble (param $at i32) (result i32)
    (local $c i32)
    (local.set $c (i32.load8_u (local.get $at)))
    (i32.add (i32.and (local.get $c) (i32.const 15)) (i32.mul (i32.shr_u (local.get $c) (i32.const 6)) (i32.const 9))))

  (func (export "switchhook:plugin/about@0.1.0#describe") (result i32) (i32.const 0))

  (func (export "switchhook:plugin/about@0.1.0#configure") (param $at i32) (param $len i32) (result i32)
    (local $to i32) (local $end i32)
    (if (i32.le_u (local.get $len) (i32.const 2)) (then (return (i32.const 64))))
    ;; Within the quotation marks.
    (local.set $end (i32.sub (i32.add (local.get $at) (local.get $len)) (i32.const 2)))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (local.set $to (i32.const 4096))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
      (i32.store8 (local.get $to) (i32.add
        (i32.shl (call $nibble (local.get $at)) (i32.const 4))
        (call $nibble (i32.add (local.get $at) (i32.const 1)))))
      (local.set $at (i32.add (local.get $at) (i32.const 2)))
      (local.set $to (i32.add (local.get $to) (i32.const 1)))
      (br $next)))
    (i32.const 4096))

  (func $word (param $n i32) (result i32)
    (i32.load offset=4104 (i32.shl (local.get $n) (i32.const 2))))

  (func $ask
    (block $read (block $set_shared (block $increment (block $delete (block $set (block $turns (block $contains (block $log
      (br_table $log $contains $turns $set $delete $increment $set_shared $read
        (i32.and (i32.load8_u (i32.const 4096)) (i32.const 7))))
      (call $log (call $word (i32.const 0)) (call $word (i32.const 1)) (call $word (i32.const 2)))
      (return))
      (drop (call $contains
        (call $word (i32.const 0)) (call $word (i32.const 1)) (call $word (i32.const 2)) (call $word (i32.const 3))))
      (return))
      (call $turns (call $word (i32.const 0)) (call $word (i32.const 1)) (i32.const 1536))
      (return))
      (call $set
        (call $word (i32.const 0)) (call $word (i32.const 1)) (call $word (i32.const 2)) (call $word (i32.const 3))
        (i32.const 1536))
      (return))
      (call $delete (call $word (i32.const 0)) (call $word (i32.const 1)))
      (return))
      (call $increment
        (call $word (i32.const 0)) (call $word (i32.const 1)) (i64.load (i32.const 4112)) (i32.const 1536))
      (return))
      (call $set_shared
        (call $word (i32.const 0)) (call $word (i32.const 1)) (call $word (i32.const 2)) (call $word (i32.const 3))
        (i32.const 1536))
      (return))
    (call $read
      (call $word (i32.const 0)) (call $word (i32.const 1)) (i64.load (i32.const 4112)) (call $word (i32.const 4))
      (i32.const 1536)))

  (func $mirror (result i32)
    (call $get (i32.const 512) (i32.const 4) (i32.const 1024))
    (if (i32.load8_u (i32.const 1024)) (then
      (memory.copy (i32.const 4096) (i32.load (i32.const 1028)) (i32.load (i32.const 1032)))))
    (if (call $sender_in (i32.const 512) (i32.const 4)) (then (call $ask)))
    (i32.const 4096))

  ;; Of these only what the world asks for is kept.
  (func (export "switchhook:plugin/policy@0.1.0#decide") (param i32) (result i32) (call $mirror))
  (func (export "switchhook:plugin/reply@0.1.0#handle") (param i32) (result i32) (call $mirror))
  (func (export "switchhook:plugin/prompt@0.1.0#compose") (param i32 i32) (result i32) (call $mirror))
  (func (export "switchhook:plugin/prompt@0.1.0#read") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i64) (result i32) (call $mirror))
)
