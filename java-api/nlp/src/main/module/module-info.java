/** Heddle's models, text, training and reports. */
module io.heddle.nlp {
  requires transitive io.heddle.engine;
  requires static org.jspecify;
  requires java.desktop;
  requires com.fasterxml.jackson.databind;
  requires org.knowm.xchart;

  exports io.heddle.report;
  exports io.heddle.train;
}
