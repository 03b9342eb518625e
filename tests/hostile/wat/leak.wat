;; A policy that leaves a secret everywhere, or looks for one everywhere: in its memory, in what its memory grows by,
;; in its tables and in its globals. Its settings say which, and how many pages of memory it wants: {"m":"w016"} writes
;; to 16 pages, {"m":"s016"} searches as many. Whatever is not as it was compiled is a leak. To show that it would be
;; found, m, d, t and g write to one place each and search then.
(module
  (memory (export "memory") 2)
  (table $refs 64 funcref)
  (global $top (mut i32) (i32.const 8192))
  (global $mode (mut i32) (i32.const 0))
  (global $pages (mut i32) (i32.const 2))
  (global $g32 (mut i32) (i32.const 0))
  (global $g64 (mut i64) (i64.const 0))
  (global $f64 (mut f64) (f64.const 0))
  (global $v128 (mut v128) (v128.const i64x2 0 0))
  (elem declare func $settle)

  ;; 0: the description; 64: nothing wrong with the settings; 128: `pass`; 192 on: what is held against whom.
  (data (i32.const 0) "\00\01\00\00\04\00\00\00\10\01\00\00\05\00\00\00\20\01\00\00\10\00\00\00\00\00\00\00\00\00\00\00\00\00")
  (data (i32.const 192) "\00\00\00\00\02\00\00\00\30\01\00\00\06\00\00\00")
  (data (i32.const 208) "\00\00\00\00\02\00\00\00\40\01\00\00\05\00\00\00")
  (data (i32.const 224) "\00\00\00\00\02\00\00\00\50\01\00\00\06\00\00\00")
  (data (i32.const 240) "\00\00\00\00\02\00\00\00\60\01\00\00\04\00\00\00")
  (data (i32.const 256) "leak")
  (data (i32.const 272) "1.0.0")
  (data (i32.const 288) "Leaks or listens")
  (data (i32.const 304) "memory")
  (data (i32.const 320) "table")
  (data (i32.const 336) "global")
  (data (i32.const 352) "data")
  ;; What is not zero at the start, and what a writer overwrites.
  (data (i32.const 4096) "as it was compiled, and as it has to be at the start of every call that anybody ever makes here.")

  (func $settle)

  ;; Hands out memory and takes none back: an instance lives for one call.
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  (func (export "switchhook:plugin/about@0.1.0#describe") (result i32)
    (i32.store16 (i32.const 32) (i32.const 1)) ;; text
    (i32.const 0))

  (func $digit (param $at i32) (result i32)
    (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))

  (func (export "switchhook:plugin/about@0.1.0#configure") (param $at i32) (param $len i32) (result i32)
    (if (i32.ge_u (local.get $len) (i32.const 10)) (then
      (global.set $mode (i32.load8_u offset=6 (local.get $at)))
      (global.set $pages (i32.add (i32.add
        (i32.mul (call $digit (i32.add (local.get $at) (i32.const 7))) (i32.const 100))
        (i32.mul (call $digit (i32.add (local.get $at) (i32.const 8))) (i32.const 10)))
        (call $digit (i32.add (local.get $at) (i32.const 9)))))))
    (i32.const 64))

  (func $is (param $mode i32) (result i32) (i32.eq (global.get $mode) (local.get $mode)))

  (func (export "switchhook:plugin/policy@0.1.0#decide") (param i32) (result i32)
    (if (call $is (i32.const 119)) (then ;; w
      (call $grow) (call $memory) (call $data) (call $table) (call $globals)
      (return (i32.const 128))))
    (if (call $is (i32.const 109)) (then (call $memory)))
    (if (call $is (i32.const 100)) (then (call $data)))
    (if (call $is (i32.const 116)) (then (call $table)))
    (if (call $is (i32.const 103)) (then (call $globals)))
    (call $search))

  (func $grow
    (if (i32.gt_u (global.get $pages) (memory.size)) (then
      (drop (memory.grow (i32.sub (global.get $pages) (memory.size)))))))

  (func $end (result i32) (i32.mul (memory.size) (i32.const 65536)))

  (func $memory
    (memory.fill (global.get $top) (i32.const 0xa7) (i32.sub (call $end) (global.get $top))))
  (func $data
    (memory.fill (i32.const 4096) (i32.const 0xa7) (i32.const 4096)))
  (func $table
    (table.fill $refs (i32.const 0) (ref.func $settle) (table.size $refs))
    (drop (table.grow $refs (ref.func $settle) (i32.const 1000))))
  (func $globals
    (global.set $g32 (i32.const 0xa7a7a7a7))
    (global.set $g64 (i64.const 0xa7a7a7a7a7a7a7a7))
    (global.set $f64 (f64.reinterpret_i64 (i64.const 0x27a7a7a7a7a7a7a7)))
    (global.set $v128 (i64x2.splat (i64.const 0xa7a7a7a7a7a7a7a7))))

  ;; Whether anything from there to there (multiples of 64) is not zero.
  (func $dirty (param $at i32) (param $end i32) (result i32)
    (local $seen v128)
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
      (local.set $seen (v128.or
        (v128.or (v128.load (local.get $at)) (v128.load offset=16 (local.get $at)))
        (v128.or (v128.load offset=32 (local.get $at)) (v128.load offset=48 (local.get $at)))))
      (if (v128.any_true (local.get $seen)) (then (return (i32.const 1))))
      (local.set $at (i32.add (local.get $at) (i32.const 64)))
      (br $next)))
    (i32.const 0))

  (func $search (result i32)
    (local $n i32) (local $clean i32)
    ;; The first words of the text, and nothing behind it.
    (if (i64.ne (i64.load (i32.const 4096)) (i64.const 0x6177207469207361)) (then (return (i32.const 240))))
    (if (call $dirty (i32.const 4224) (i32.const 8192)) (then (return (i32.const 240))))
    (local.set $clean (i32.and (i32.add (global.get $top) (i32.const 63)) (i32.const -64)))
    ;; What it was given, then what it grows by.
    (if (call $dirty (local.get $clean) (call $end)) (then (return (i32.const 192))))
    (local.set $clean (call $end))
    (call $grow)
    (if (call $dirty (local.get $clean) (call $end)) (then (return (i32.const 192))))
    (if (i32.ne (table.size $refs) (i32.const 64)) (then (return (i32.const 208))))
    (loop $next
      (if (i32.eqz (ref.is_null (table.get $refs (local.get $n)))) (then (return (i32.const 208))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 64))))
    (if (global.get $g32) (then (return (i32.const 224))))
    (if (i64.ne (global.get $g64) (i64.const 0)) (then (return (i32.const 224))))
    (if (i64.ne (i64.reinterpret_f64 (global.get $f64)) (i64.const 0)) (then (return (i32.const 224))))
    (if (v128.any_true (global.get $v128)) (then (return (i32.const 224))))
    (i32.const 128))
)
