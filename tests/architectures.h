/* architectures.h -- networks of which tensors are used at several positions. */
#ifndef NTK_TESTS_ARCHITECTURES_H
#define NTK_TESTS_ARCHITECTURES_H

#include "ntk/base/shape.h"

typedef struct architecture {
  const char *network;
  ntk_shape shape;
  int64_t vocabulary; /* 0: numbers */
  int64_t outputs;
} architecture;

/* The gradients of the second convolution are cut into several pieces. */
static const architecture cnn = {
    "{layers: [{conv: {features: 16, kernel: 3}}, {activation: relu}, {conv: {features: 32, kernel:"
    " 3, stride: 2}}, {activation: tanh}, {conv: {features: 7, kernel: 1, bias: none}},"
    " global_avg_pool, {dense: {features: outputs}}]}",
    {.rank = 3, .size = {6, 5, 2}}, 0, 3};

/* Maps at 64, 16, 4 positions and one. */
static const architecture pyramid = {
    "{layers: [{conv: {features: 5, kernel: 3}}, {activation: tanh}, {conv: {features: 6, kernel: 3,"
    " stride: 2}}, {activation: gelu}, {conv: {features: 7, kernel: 3, stride: 2}}, {activation:"
    " tanh}, flatten, {dense: {features: outputs}}]}",
    {.rank = 3, .size = {8, 8, 2}}, 0, 5};

/* Norms, a convolution that is used twice, a projection. */
static const architecture resnet = {
    "{layers: [{conv: {features: 5, kernel: 3}}, norm, {residual: {branch: [{activation: relu},"
    " {conv: {features: 5, kernel: 3}}, {norm: {over: positions}}]}}, {residual: {skip: [{conv:"
    " {features: 6, kernel: 1}}], branch: [{activation: gelu}, {conv: {features: 6, kernel: 3}}]}},"
    " {repeat: {times: 2, share: true, layers: [{activation: tanh}, {conv: {features: 6, kernel: 3,"
    " padding: circular}}]}}, flatten, {dense: {features: outputs}}]}",
    {.rank = 3, .size = {4, 4, 3}}, 0, 2};

/* Statistics of the whole training set. */
static const architecture normed = {
    "{layers: [{conv: {features: 20, kernel: 3}}, {batch_norm: {mode: train}}, {activation: tanh},"
    " {residual: {branch: [{conv: {features: 20, kernel: 1}}, {batch_norm: {mode: train}}]}},"
    " global_avg_pool, {dense: {features: outputs}}]}",
    {.rank = 3, .size = {2, 3, 1}}, 0, 2};

static const architecture transformer = {
    "{width: 8, layers: [{token_embedding: {features: width}}, position_embedding,"
    " {transformer_block: {heads: 2}}, {norm: {}}, flatten, {dense: {features: outputs}}]}",
    {.rank = 1, .size = {7}}, 5, 2};

/* Readout with the weights of the embedding: outputs are tokens. */
static const architecture tied = {
    "{width: 6, layers: [{token_embedding: {features: width}}, {residual: {branch: [{dense:"
    " {features: width}}, {activation: tanh}]}}, last_position,"
    " {dense: {features: outputs, share: token_embedding0, transposed: true}}]}",
    {.rank = 1, .size = {4}}, 5, 5};

static const architecture ode = {
    "{layers: [{dense: {features: 9}}, {neural_ode: {steps: 3}}, {dense: {features: outputs}}]}",
    {.rank = 1, .size = {4}}, 0, 3};

/* Inputs that travel in pieces. */
static const architecture long_inputs = {
    "{layers: [{dense: {features: 3}}, {activation: tanh}, {dense: {features: outputs}}]}",
    {.rank = 1, .size = {8200}}, 0, 2};

/* Rows of the table of layers that no other has. */
static const architecture pooled = {
    "{layers: [identity, {conv: {features: 5, kernel: 2}}, {batch_norm: {mode: eval}}, {dropout:"
    " {keep: 0.7}}, {max_pool: {window: 2, stride: 1}}, {activation: gelu}, {avg_pool: {window: 2,"
    " padding: same}}, {sum_pool: {window: [2, 1], stride: 1}}, {attention: {heads: 1}},"
    " global_sum_pool, {dense: {features: outputs}}]}",
    {.rank = 3, .size = {6, 5, 2}}, 0, 2};

/* Maps with more than 256 columns where outputs are summed, and several blocks of positions. */
static const architecture wide = {
    "{layers: [{dense: {features: 100}}, {activation: tanh}, global_avg_pool,"
    " {dense: {features: outputs}}]}",
    {.rank = 3, .size = {5, 7, 2}}, 0, 3};

#endif
