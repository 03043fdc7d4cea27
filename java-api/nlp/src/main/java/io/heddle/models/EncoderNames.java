package io.heddle.models;

/** What the tensors of encoders are called: tables of {@link TensorNames}. */
final class EncoderNames {
  static final String BERT =
      """
      embed.weight = bert.embeddings.word_embeddings.weight
      positions.weight = bert.embeddings.position_embeddings.weight
      types.weight = bert.embeddings.token_type_embeddings.weight
      embed.norm = bert.embeddings.LayerNorm
      layers.#.qkv = bert.encoder.layer.#.attention.self.query \
      + bert.encoder.layer.#.attention.self.key + bert.encoder.layer.#.attention.self.value
      layers.#.out = bert.encoder.layer.#.attention.output.dense
      layers.#.norm1 = bert.encoder.layer.#.attention.output.LayerNorm
      layers.#.up = bert.encoder.layer.#.intermediate.dense
      layers.#.down = bert.encoder.layer.#.output.dense
      layers.#.norm2 = bert.encoder.layer.#.output.LayerNorm
      """;
  static final String BERT_HEADS =
      """
      head.dense = cls.predictions.transform.dense
      head.norm = cls.predictions.transform.LayerNorm
      head.bias = cls.predictions.bias
      head = cls.predictions.decoder
      pooled.dense = bert.pooler.dense
      pooled = classifier
      pair.dense = bert.pooler.dense
      pair = cls.seq_relationship
      tokens = classifier
      span = qa_outputs
      """;
  static final String ROBERTA_HEADS =
      """
      head.dense = lm_head.dense
      head.norm = lm_head.layer_norm
      head.bias = lm_head.bias
      head = lm_head.decoder
      pooled.dense = classifier.dense
      pooled = classifier.out_proj
      tokens = classifier
      span = qa_outputs
      """;
  static final String ELECTRA_HEADS =
      """
      head.dense = generator_predictions.dense
      head.norm = generator_predictions.LayerNorm
      head.bias = generator_lm_head.bias
      head = generator_lm_head
      replaced.dense = discriminator_predictions.dense
      replaced = discriminator_predictions.dense_prediction
      pooled.dense = classifier.dense
      pooled = classifier.out_proj
      tokens = classifier
      span = qa_outputs
      embed.project = electra.embeddings_project
      """;
  static final String DISTILBERT =
      """
      embed.weight = distilbert.embeddings.word_embeddings.weight
      positions.weight = distilbert.embeddings.position_embeddings.weight
      embed.norm = distilbert.embeddings.LayerNorm
      layers.#.qkv = distilbert.transformer.layer.#.attention.q_lin \
      + distilbert.transformer.layer.#.attention.k_lin \
      + distilbert.transformer.layer.#.attention.v_lin
      layers.#.out = distilbert.transformer.layer.#.attention.out_lin
      layers.#.norm1 = distilbert.transformer.layer.#.sa_layer_norm
      layers.#.up = distilbert.transformer.layer.#.ffn.lin1
      layers.#.down = distilbert.transformer.layer.#.ffn.lin2
      layers.#.norm2 = distilbert.transformer.layer.#.output_layer_norm
      head.dense = vocab_transform
      head.norm = vocab_layer_norm
      head = vocab_projector
      pooled.dense = pre_classifier
      pooled = classifier
      tokens = classifier
      span = qa_outputs
      """;
  static final String ALBERT =
      """
      embed.weight = albert.embeddings.word_embeddings.weight
      positions.weight = albert.embeddings.position_embeddings.weight
      types.weight = albert.embeddings.token_type_embeddings.weight
      embed.norm = albert.embeddings.LayerNorm
      embed.project = albert.encoder.embedding_hidden_mapping_in
      layers.#.qkv = albert.encoder.albert_layer_groups.0.albert_layers.0.attention.query \
      + albert.encoder.albert_layer_groups.0.albert_layers.0.attention.key \
      + albert.encoder.albert_layer_groups.0.albert_layers.0.attention.value
      layers.#.out = albert.encoder.albert_layer_groups.0.albert_layers.0.attention.dense
      layers.#.norm1 = albert.encoder.albert_layer_groups.0.albert_layers.0.attention.LayerNorm
      layers.#.up = albert.encoder.albert_layer_groups.0.albert_layers.0.ffn
      layers.#.down = albert.encoder.albert_layer_groups.0.albert_layers.0.ffn_output
      layers.#.norm2 = albert.encoder.albert_layer_groups.0.albert_layers.0.full_layer_layer_norm
      head.dense = predictions.dense
      head.norm = predictions.LayerNorm
      head.bias = predictions.bias
      head = predictions.decoder
      pooled.dense = albert.pooler
      pooled = classifier
      pair.dense = albert.pooler
      pair = sop_classifier.classifier
      tokens = classifier
      span = qa_outputs
      """;
  static final String MODERNBERT =
      """
      embed.weight = model.embeddings.tok_embeddings.weight
      embed.norm = model.embeddings.norm
      layers.#.norm1 = model.layers.#.attn_norm
      layers.#.qkv = model.layers.#.attn.Wqkv
      layers.#.out = model.layers.#.attn.Wo
      layers.#.norm2 = model.layers.#.mlp_norm
      layers.#.up = model.layers.#.mlp.Wi
      layers.#.down = model.layers.#.mlp.Wo
      norm = model.final_norm
      head.dense = head.dense
      head.norm = head.norm
      head = decoder
      pooled.dense = head.dense
      pooled.norm = head.norm
      pooled = classifier
      tokens.dense = head.dense
      tokens.norm = head.norm
      tokens = classifier
      """;
  static final String DEBERTA =
      BERT.replace("bert.", "deberta.")
          .replace("self.query", "self.query_proj")
          .replace("self.key", "self.key_proj")
          .replace("self.value", "self.value_proj")
          .concat("distances.weight = deberta.encoder.rel_embeddings.weight\n")
          .concat("distances.norm = deberta.encoder.LayerNorm\n")
          .concat(BERT_HEADS.replace("bert.pooler", "pooler"));
  static final String LONGFORMER =
      BERT.replace("bert.", "longformer.")
          .concat(
              """
              layers.#.global = longformer.encoder.layer.#.attention.self.query_global \
              + longformer.encoder.layer.#.attention.self.key_global \
              + longformer.encoder.layer.#.attention.self.value_global
              """)
          .concat(ROBERTA_HEADS);

  private EncoderNames() {}
}
