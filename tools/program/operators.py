"""The operators that a snapshot's graph may call: every one by its name and overload, and no other.

None of them reads or writes files, loads code, or sets or resizes a tensor's storage. What is not here is refused by
name. The names are those of torch 2.13's core aten set, of its training dialect (where modules stay whole and may write
in place), and of arithmetic on sizes. `tools.program.calls` says how they are called.
"""

_DETERMINISTIC = {
    "arithmetic": """
        add.Scalar add.Tensor add_.Scalar add_.Tensor sub.Scalar sub.Tensor sub_.Scalar sub_.Tensor mul.Scalar
        mul.Tensor mul_.Scalar mul_.Tensor div.Scalar div.Scalar_mode div.Tensor div.Tensor_mode div_.Scalar
        div_.Scalar_mode div_.Tensor div_.Tensor_mode floor_divide.Scalar floor_divide.default floor_divide_.Scalar
        floor_divide_.Tensor fmod.Scalar fmod.Tensor fmod_.Scalar fmod_.Tensor remainder.Scalar
        remainder.Scalar_Tensor remainder.Tensor remainder_.Scalar remainder_.Tensor rsub.Scalar rsub.Tensor
        neg.default neg_.default positive.default abs.default abs_.default reciprocal.default reciprocal_.default
        sqrt.default sqrt_.default rsqrt.default rsqrt_.default square.default square_.default pow.Scalar
        pow.Tensor_Scalar pow.Tensor_Tensor pow_.Scalar pow_.Tensor float_power.Scalar float_power.Tensor_Scalar
        float_power.Tensor_Tensor float_power_.Scalar float_power_.Tensor exp.default exp_.default exp2.default
        exp2_.default expm1.default expm1_.default log.default log_.default log2.default log2_.default log10.default
        log10_.default log1p.default log1p_.default addcmul.default addcmul_.default addcdiv.default addcdiv_.default
        lerp.Scalar lerp.Tensor lerp_.Scalar lerp_.Tensor sign.default sign_.default sgn.default sgn_.default
        floor.default floor_.default ceil.default ceil_.default round.decimals round.default round_.decimals
        round_.default trunc.default trunc_.default fix.default fix_.default frac.default frac_.default
        maximum.default minimum.default fmax.default fmin.default clamp.Tensor clamp.default clamp_.Tensor
        clamp_.default clamp_min.Tensor clamp_min.default clamp_min_.Tensor clamp_min_.default clamp_max.Tensor
        clamp_max.default clamp_max_.Tensor clamp_max_.default clip.Tensor clip.default clip_.Tensor clip_.default
        nan_to_num.default nan_to_num_.default hypot.default hypot_.default copysign.Scalar copysign.Tensor
        copysign_.Scalar copysign_.Tensor xlogy.Scalar_Other xlogy.Scalar_Self xlogy.Tensor xlogy_.Scalar_Other
        xlogy_.Tensor logaddexp.default logaddexp2.default heaviside.default heaviside_.default deg2rad.default
        deg2rad_.default rad2deg.default rad2deg_.default ldexp.Tensor ldexp_.default special_xlog1py.default
        special_xlog1py.other_scalar special_xlog1py.self_scalar
    """,
    "trigonometric and special functions": """
        sin.default sin_.default cos.default cos_.default tan.default tan_.default asin.default asin_.default
        acos.default acos_.default atan.default atan_.default atan2.default atan2_.default arctan2.default
        arctan2_.default arctan.default arctan_.default arcsin.default arcsin_.default arccos.default arccos_.default
        sinh.default sinh_.default cosh.default cosh_.default tanh.default tanh_.default asinh.default asinh_.default
        acosh.default acosh_.default atanh.default atanh_.default erf.default erf_.default erfc.default erfc_.default
        erfinv.default erfinv_.default lgamma.default lgamma_.default digamma.default digamma_.default sinc.default
        sinc_.default i0.default i0_.default special_erf.default special_expit.default special_expm1.default
        special_log1p.default special_log_softmax.default special_logsumexp.default special_softmax.default
        special_xlogy.default special_xlogy.other_scalar special_xlogy.self_scalar special_ndtr.default
        special_log_ndtr.default special_ndtri.default special_entr.default special_erfcx.default
        special_gammaln.default logit.default logit_.default
    """,
    "comparison and logic": """
        eq.Scalar eq.Tensor eq_.Scalar eq_.Tensor ne.Scalar ne.Tensor ne_.Scalar ne_.Tensor lt.Scalar lt.Tensor
        lt_.Scalar lt_.Tensor le.Scalar le.Tensor le_.Scalar le_.Tensor gt.Scalar gt.Tensor gt_.Scalar gt_.Tensor
        ge.Scalar ge.Tensor ge_.Scalar ge_.Tensor equal.default isnan.default isinf.default isfinite.default
        isposinf.default isneginf.default isclose.default isin.Scalar_Tensor isin.Tensor_Scalar isin.Tensor_Tensor
        logical_and.default logical_and_.default logical_or.default logical_or_.default logical_not.default
        logical_not_.default logical_xor.default logical_xor_.default bitwise_and.Scalar bitwise_and.Scalar_Tensor
        bitwise_and.Tensor bitwise_and_.Scalar bitwise_and_.Tensor bitwise_or.Scalar bitwise_or.Scalar_Tensor
        bitwise_or.Tensor bitwise_or_.Scalar bitwise_or_.Tensor bitwise_not.default bitwise_not_.default
        bitwise_xor.Scalar bitwise_xor.Scalar_Tensor bitwise_xor.Tensor bitwise_xor_.Scalar bitwise_xor_.Tensor
        bitwise_left_shift.Scalar_Tensor bitwise_left_shift.Tensor bitwise_left_shift.Tensor_Scalar
        bitwise_left_shift_.Tensor bitwise_left_shift_.Tensor_Scalar bitwise_right_shift.Scalar_Tensor
        bitwise_right_shift.Tensor bitwise_right_shift.Tensor_Scalar bitwise_right_shift_.Tensor
        bitwise_right_shift_.Tensor_Scalar __and__.Scalar __and__.Tensor __or__.Scalar __or__.Tensor __xor__.Scalar
        __xor__.Tensor __lshift__.Scalar __lshift__.Tensor __rshift__.Scalar __rshift__.Tensor where.Scalar
        where.ScalarOther where.ScalarSelf where.default where.self masked_fill.Scalar masked_fill.Tensor
        masked_fill_.Scalar masked_fill_.Tensor all.default all.dim all.dims any.default any.dim any.dims
        signbit.default
    """,
    "activations": """
        relu.default relu_.default relu6.default relu6_.default leaky_relu.default leaky_relu_.default prelu.default
        _prelu_kernel.default elu.default elu_.default selu.default selu_.default celu.default celu_.default
        gelu.default gelu_.default silu.default silu_.default mish.default mish_.default sigmoid.default
        sigmoid_.default hardsigmoid.default hardsigmoid_.default hardswish.default hardswish_.default
        hardtanh.default hardtanh_.default hardshrink.default softshrink.default softplus.default log_sigmoid.default
        log_sigmoid_forward.default threshold.default threshold_.default glu.default softmax.int _softmax.default
        _safe_softmax.default log_softmax.int _log_softmax.default
    """,
    "reductions": """
        sum.default sum.dim_IntList mean.default mean.dim prod.default prod.dim_int amax.default amin.default
        aminmax.default max.default max.dim max.other min.default min.dim min.other argmax.default argmin.default
        median.default median.dim nanmedian.default nanmedian.dim mode.default std.correction std.default std.dim
        var.correction var.default var.dim var_mean.correction var_mean.default var_mean.dim std_mean.correction
        std_mean.default std_mean.dim nansum.default nanmean.default logsumexp.default norm.Scalar norm.ScalarOpt_dim
        norm.ScalarOpt_dim_dtype norm.ScalarOpt_dtype linalg_vector_norm.default linalg_norm.default
        linalg_matrix_norm.default linalg_matrix_norm.str_ord frobenius_norm.dim count_nonzero.default
        count_nonzero.dim_IntList cumsum.default cumsum_.default cumprod.default cumprod_.default cummax.default
        cummin.default logcumsumexp.default quantile.default quantile.scalar nanquantile.default nanquantile.scalar
        kthvalue.default topk.default sort.default sort.stable argsort.default argsort.stable msort.default
        searchsorted.Scalar searchsorted.Tensor bucketize.Scalar bucketize.Tensor bincount.default histc.default
        trace.default diff.default unique_consecutive.default _unique2.default unique_dim.default
    """,
    "linear algebra": """
        linear.default mm.default mm.dtype bmm.default bmm.dtype matmul.default mv.default dot.default vdot.default
        inner.default outer.default addmm.default addmm.dtype addmm_.default addmv.default addmv_.default
        addbmm.default addbmm_.default baddbmm.default baddbmm.dtype baddbmm_.default addr.default addr_.default
        einsum.default tensordot.default bilinear.default linalg_multi_dot.default linalg_matmul.default
        linalg_vecdot.default linalg_cross.default cross.default cdist.default pairwise_distance.default pdist.default
        cosine_similarity.default kron.default linalg_inv.default linalg_inv_ex.default inverse.default
        linalg_solve.default linalg_solve_ex.default linalg_det.default det.default logdet.default slogdet.default
        linalg_slogdet.default linalg_cholesky.default linalg_cholesky_ex.default cholesky.default linalg_qr.default
        linalg_svdvals.default linalg_eigh.default linalg_eigvalsh.default linalg_solve_triangular.default
        linalg_matrix_power.default matrix_power.default matrix_exp.default linalg_matrix_exp.default renorm.default
        renorm_.default _weight_norm.default _weight_norm_interface.default
    """,
    "shapes and views": """
        view.default view.dtype _unsafe_view.default view_as.default reshape.default reshape_as.default
        flatten.using_ints unflatten.int squeeze.default squeeze.dim squeeze.dims squeeze_.default squeeze_.dim
        squeeze_.dims unsqueeze.default unsqueeze_.default transpose.int transpose_.default swapaxes.default
        swapaxes_.default swapdims.default swapdims_.default t.default t_.default numpy_T.default mT.default
        mH.default adjoint.default permute.default movedim.int movedim.intlist moveaxis.int moveaxis.intlist
        expand.default expand_as.default broadcast_to.default broadcast_tensors.default select.int slice.Tensor
        narrow.Tensor narrow.default split.Tensor split.sizes split_with_sizes.default unsafe_split.Tensor
        unsafe_split_with_sizes.default chunk.default unsafe_chunk.default tensor_split.indices tensor_split.sections
        tensor_split.tensor_indices_or_sections hsplit.array hsplit.int vsplit.array vsplit.int dsplit.array
        dsplit.int unbind.int diagonal.default diag.default diag_embed.default diagflat.default unfold.default
        im2col.default col2im.default contiguous.default alias.default detach.default detach_.default clone.default
        as_strided.default ravel.default atleast_1d.Sequence atleast_1d.default atleast_2d.Sequence atleast_2d.default
        atleast_3d.Sequence atleast_3d.default view_as_real.default view_as_complex.default real.default imag.default
        resolve_conj.default resolve_neg.default lift_fresh.default lift_fresh_copy.default lift.default
        alias_copy.default detach_copy.default diagonal_copy.default expand_copy.default permute_copy.default
        select_copy.int slice_copy.Tensor split_copy.Tensor split_with_sizes_copy.default squeeze_copy.default
        squeeze_copy.dim squeeze_copy.dims t_copy.default transpose_copy.int unbind_copy.int unfold_copy.default
        unsqueeze_copy.default view_copy.default view_copy.dtype narrow_copy.default select_scatter.default
        slice_scatter.default diagonal_scatter.default
    """,
    "joining and repeating": """
        cat.default concat.default concatenate.default stack.default hstack.default vstack.default dstack.default
        column_stack.default row_stack.default block_diag.default repeat.default repeat_interleave.Tensor
        repeat_interleave.self_Tensor repeat_interleave.self_int tile.default roll.default flip.default fliplr.default
        flipud.default pad.default constant_pad_nd.default reflection_pad1d.default reflection_pad2d.default
        reflection_pad3d.default replication_pad1d.default replication_pad2d.default replication_pad3d.default
        pad_sequence.default meshgrid.default meshgrid.indexing tril.default tril_.default triu.default triu_.default
        channel_shuffle.default native_channel_shuffle.default pixel_shuffle.default pixel_unshuffle.default
    """,
    "index": """
        index.Tensor index_select.default index_add.default index_add_.default index_copy.default index_copy_.default
        index_fill.int_Scalar index_fill.int_Tensor index_fill_.int_Scalar index_fill_.int_Tensor index_put.default
        index_put_.default index_reduce.default index_reduce_.default gather.default scatter.reduce scatter.src
        scatter.value scatter.value_reduce scatter_.reduce scatter_.src scatter_.value scatter_.value_reduce
        scatter_add.default scatter_add_.default scatter_reduce.two scatter_reduce_.two take.default
        take_along_dim.default put.default put_.default masked_select.default masked_scatter.default
        masked_scatter_.default nonzero.default nonzero_static.default argwhere.default one_hot.default
        embedding.default embedding_bag.default embedding_bag.padding_idx _embedding_bag.default
        _embedding_bag_forward_only.default embedding_renorm.default embedding_renorm_.default copy.default
        copy_.default fill.Scalar fill.Tensor fill_.Scalar fill_.Tensor zero.default zero_.default
    """,
    "creation": """
        zeros.default ones.default full.default empty.memory_format eye.default eye.m arange.default arange.start
        arange.start_step linspace.Scalar_Tensor linspace.Tensor_Scalar linspace.Tensor_Tensor linspace.default
        logspace.Scalar_Tensor logspace.Tensor_Scalar logspace.Tensor_Tensor logspace.default scalar_tensor.default
        zeros_like.default ones_like.default full_like.default empty_like.default new_zeros.default new_ones.default
        new_full.default new_empty.default empty_permuted.default tril_indices.default triu_indices.default
        hann_window.default hann_window.periodic hamming_window.default hamming_window.periodic
        hamming_window.periodic_alpha hamming_window.periodic_alpha_beta blackman_window.default
        blackman_window.periodic bartlett_window.default bartlett_window.periodic kaiser_window.beta
        kaiser_window.default kaiser_window.periodic
    """,
    "types": """
        to.device to.dtype to.dtype_layout to.other _to_copy.default type_as.default to_dense.default
        _cast_Byte.default _cast_Char.default _cast_Double.default _cast_Float.default _cast_Half.default
        _cast_Int.default _cast_Long.default _cast_Short.default
    """,
    "normalisation": """
        batch_norm.default native_batch_norm.default _native_batch_norm_legit.default
        _native_batch_norm_legit.no_stats _native_batch_norm_legit_no_training.default
        _native_batch_norm_legit_functional.default layer_norm.default native_layer_norm.default group_norm.default
        native_group_norm.default instance_norm.default rms_norm.default _fused_rms_norm.default
    """,
    "convolution and pooling": """
        conv1d.default conv1d.padding conv2d.default conv2d.padding conv3d.default conv3d.padding
        conv_transpose1d.default conv_transpose2d.input conv_transpose3d.input convolution.default
        _convolution.default _convolution_mode.default avg_pool1d.default avg_pool2d.default avg_pool3d.default
        max_pool1d.default max_pool2d.default max_pool3d.default max_pool1d_with_indices.default
        max_pool2d_with_indices.default max_pool3d_with_indices.default adaptive_avg_pool1d.default
        adaptive_avg_pool2d.default adaptive_avg_pool3d.default _adaptive_avg_pool2d.default
        _adaptive_avg_pool3d.default adaptive_max_pool1d.default adaptive_max_pool2d.default
        adaptive_max_pool3d.default max_unpool2d.default max_unpool3d.default upsample_nearest1d.default
        upsample_nearest1d.vec upsample_nearest2d.default upsample_nearest2d.vec upsample_nearest3d.default
        upsample_nearest3d.vec _upsample_nearest_exact1d.default _upsample_nearest_exact1d.vec
        _upsample_nearest_exact2d.default _upsample_nearest_exact2d.vec _upsample_nearest_exact3d.default
        _upsample_nearest_exact3d.vec upsample_linear1d.default upsample_linear1d.vec upsample_bilinear2d.default
        upsample_bilinear2d.vec upsample_trilinear3d.default upsample_trilinear3d.vec upsample_bicubic2d.default
        upsample_bicubic2d.vec _upsample_bilinear2d_aa.default _upsample_bilinear2d_aa.vec
        _upsample_bicubic2d_aa.default _upsample_bicubic2d_aa.vec grid_sampler.default grid_sampler_2d.default
        grid_sampler_3d.default affine_grid_generator.default
    """,
    "recurrence and attention": """
        lstm.data lstm.input lstm_cell.default gru.data gru.input gru_cell.default rnn_tanh.data rnn_tanh.input
        rnn_tanh_cell.default rnn_relu.data rnn_relu.input rnn_relu_cell.default scaled_dot_product_attention.default
        _scaled_dot_product_attention_math.default _scaled_dot_product_flash_attention_for_cpu.default
        _pack_padded_sequence.default _pad_packed_sequence.default
    """,
    "fourier": """
        _fft_c2c.default _fft_c2r.default _fft_r2c.default fft_fft.default fft_ifft.default fft_rfft.default
        fft_irfft.default fft_fft2.default fft_ifft2.default fft_rfft2.default fft_irfft2.default fft_fftn.default
        fft_ifftn.default fft_rfftn.default fft_irfftn.default fft_fftshift.default fft_ifftshift.default
        fft_fftfreq.default fft_rfftfreq.default stft.center stft.default complex.default polar.default angle.default
        conj.default _conj.default conj_physical.default conj_physical_.default
    """,
    "losses": """
        mse_loss.default l1_loss.default smooth_l1_loss.default huber_loss.default binary_cross_entropy.default
        binary_cross_entropy_with_logits.default cross_entropy_loss.default nll_loss.default nll_loss_forward.default
        nll_loss2d.default nll_loss2d_forward.default kl_div.default
    """,
    "fake quantisation": """
        fake_quantize_per_tensor_affine.default fake_quantize_per_tensor_affine.tensor_qparams
        fake_quantize_per_channel_affine.default fake_quantize_per_tensor_affine_cachemask.default
        fake_quantize_per_channel_affine_cachemask.default
    """,
    "second names of the same": """
        multiply.Tensor multiply.Scalar multiply_.Tensor multiply_.Scalar divide.Tensor divide.Scalar
        divide.Tensor_mode divide.Scalar_mode divide_.Tensor divide_.Tensor_mode divide_.Scalar_mode divide_.Scalar
        subtract.Tensor subtract.Scalar subtract_.Tensor subtract_.Scalar true_divide.Tensor true_divide.Scalar
        true_divide_.Tensor true_divide_.Scalar negative.default negative_.default absolute.default absolute_.default
        greater.Tensor greater.Scalar greater_.Scalar greater_.Tensor greater_equal.Tensor greater_equal.Scalar
        greater_equal_.Scalar greater_equal_.Tensor less.Tensor less.Scalar less_.Scalar less_.Tensor less_equal.Tensor
        less_equal.Scalar less_equal_.Scalar less_equal_.Tensor not_equal.Tensor not_equal.Scalar not_equal_.Scalar
        not_equal_.Tensor arccosh.default arccosh_.default arcsinh.default arcsinh_.default arctanh.default
        arctanh_.default
    """,
    "rarer mathematics": """
        ger.default rot90.default special_sinc.default special_round.default special_exp2.default special_logit.default
        special_i0.default special_i0e.default special_i1.default special_i1e.default special_digamma.default
        special_psi.default special_erfinv.default special_multigammaln.default mvlgamma.default polygamma.default
        special_polygamma.default igamma.default igammac.default special_gammainc.default special_gammaincc.default
        trapezoid.x trapezoid.dx trapz.x trapz.dx cumulative_trapezoid.x cumulative_trapezoid.dx cov.default
        corrcoef.default dist.default vander.default cartesian_prod.default chain_matmul.default combinations.default
        matrix_H.default nuclear_norm.default nuclear_norm.dim sum_to_size.default nextafter.default gcd.default
        lcm.default _trilinear.default linalg_diagonal.default linalg_pinv.default linalg_pinv.atol_rtol_float
        linalg_pinv.atol_rtol_tensor linalg_pinv.rcond_tensor pinverse.default linalg_svd.default svd.default
        linalg_lstsq.default cholesky_solve.default cholesky_inverse.default special_zeta.default
        special_zeta.other_scalar special_zeta.self_scalar special_bessel_j0.default special_bessel_j1.default
        fill_diagonal_.default allclose.default
    """,
    "asked of tensors, and checks": """
        sym_size.int sym_stride.int sym_numel.default sym_storage_offset.default size.int numel.default dim.default
        item.default _local_scalar_dense.default is_nonzero.default is_floating_point.default _shape_as_tensor.default
        _assert_scalar.default _assert_async.default _assert_async.msg _assert_tensor_metadata.default
        _functional_assert_async.msg _functional_assert_scalar.default sym_constrain_range.default
        sym_constrain_range_for_size.default _is_all_true.default _is_any_true.default
    """,
}
_RANDOM = """
    dropout.default dropout_.default native_dropout.default alpha_dropout.default alpha_dropout_.default
    feature_dropout.default feature_dropout_.default feature_alpha_dropout.default feature_alpha_dropout_.default
    rrelu.default rrelu_.default rrelu_with_noise.default rrelu_with_noise_.default bernoulli.Tensor bernoulli.default
    bernoulli.p bernoulli_.Tensor bernoulli_.float rand.default rand_like.default randn.default randn_like.default
    randint.default randint.low randint_like.Tensor randint_like.default randint_like.low_dtype randperm.default
    normal.Tensor_Tensor normal.Tensor_float normal.float_Tensor normal.float_float normal_.default
    multinomial.default poisson.default uniform_.default exponential_.default random_.default random_.from random_.to
"""
_SIZES = """
    operator.add operator.sub operator.mul operator.floordiv operator.truediv operator.mod operator.pow operator.neg
    operator.pos operator.eq operator.ne operator.lt operator.le operator.gt operator.ge operator.and_ operator.or_
    math.trunc torch.sym_not torch.sym_int torch.sym_float torch.sym_ite torch.sym_max torch.sym_min torch.sym_sqrt
"""

RANDOM: frozenset[str] = frozenset(f"aten.{name}" for name in _RANDOM.split())
"""Operators that may draw random numbers. They are run from a fixed seed."""

ALLOWED: frozenset[str] = (
    frozenset(f"aten.{name}" for family in _DETERMINISTIC.values() for name in family.split())
    | RANDOM
    | frozenset(_SIZES.split())
)

UNFILLED: frozenset[str] = frozenset(
    ("aten.empty.memory_format", "aten.empty_like.default", "aten.new_empty.default", "aten.empty_permuted.default")
)
"""Operators that answer with whatever was in memory. They are filled with zeros, so that two runs are the same."""
