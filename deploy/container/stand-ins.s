# What ld.so asks for in place of Debian 12's libz3.so.4 and libicudata.so.72, which nothing here uses (see `unused`):
# the prover's functions that libLLVM-14.so.1 is linked with, of which a call would end the program, and ICU's table,
# empty, so that no converter is found in it.
        .section .rodata
        .balign 16
        .globl  icudt72_dat
        .type   icudt72_dat, %object
        .size   icudt72_dat, 64
icudt72_dat:
        .zero   64

        .macro  functions names:vararg
        .irp    name, \names
        .globl  Z3_\name
Z3_\name:
        .endr
        .endm
        functions ast_to_string, dec_ref, del_config, del_context, fpa_get_ebits, fpa_get_sbits, get_app_decl, get_ast_id
        functions get_bool_value, get_bv_sort_size, get_error_msg, get_numeral_string, get_sort, get_sort_kind, inc_ref
        functions is_eq_ast, is_eq_sort, mk_and, mk_bool_sort, mk_bv_sort, mk_bvadd, mk_bvadd_no_overflow
        functions mk_bvadd_no_underflow, mk_bvand, mk_bvashr, mk_bvlshr, mk_bvmul, mk_bvmul_no_overflow
        functions mk_bvmul_no_underflow, mk_bvneg, mk_bvneg_no_overflow, mk_bvnot, mk_bvor, mk_bvsdiv, mk_bvsdiv_no_overflow
        functions mk_bvsge, mk_bvsgt, mk_bvshl, mk_bvsle, mk_bvslt, mk_bvsrem, mk_bvsub, mk_bvsub_no_overflow
        functions mk_bvsub_no_underflow, mk_bvudiv, mk_bvuge, mk_bvugt, mk_bvule, mk_bvult, mk_bvurem, mk_bvxor, mk_concat
        functions mk_config, mk_const, mk_context_rc, mk_eq, mk_extract, mk_false, mk_fpa_add, mk_fpa_div, mk_fpa_eq
        functions mk_fpa_geq, mk_fpa_gt, mk_fpa_is_infinite, mk_fpa_is_nan, mk_fpa_is_normal, mk_fpa_is_zero, mk_fpa_leq
        functions mk_fpa_lt, mk_fpa_mul, mk_fpa_neg, mk_fpa_rem, mk_fpa_rne, mk_fpa_sort_128, mk_fpa_sort_16, mk_fpa_sort_32
        functions mk_fpa_sort_64, mk_fpa_sub, mk_fpa_to_fp_bv, mk_fpa_to_fp_float, mk_fpa_to_fp_signed
        functions mk_fpa_to_fp_unsigned, mk_fpa_to_sbv, mk_fpa_to_ubv, mk_int64, mk_ite, mk_not, mk_numeral, mk_or
        functions mk_sign_ext, mk_simple_solver, mk_string_symbol, mk_true, mk_unsigned_int64, mk_zero_ext, model_dec_ref
        functions model_get_const_interp, model_has_interp, model_inc_ref, model_to_string, set_error_handler
        functions set_param_value, solver_assert, solver_check, solver_dec_ref, solver_get_model, solver_inc_ref, solver_pop
        functions solver_push, solver_reset, solver_to_string, sort_to_string, to_app
        .zero   16

        .section .note.GNU-stack, "", %progbits
