SELECT scored.*,
  1 / (1 + EXP(-(GREATEST(-700, LEAST(700, 0.625515 * points + -2.59554))))) AS risk
FROM (
  SELECT source.*,
    CASE WHEN ABS(CASE WHEN NOT (IS_NAN(CAST(`age` AS FLOAT64))) THEN CAST(`age` AS FLOAT64) END) > 1.7976931348623157e+308 OR (`smoker` IS NULL OR IS_NAN(CAST(`smoker` AS FLOAT64))) THEN NULL ELSE
    CASE WHEN `age` >= 61 AND NOT (IS_NAN(CAST(`age` AS FLOAT64))) THEN 3 ELSE 0 END
    + CASE WHEN `bmi` >= 18.5 AND `bmi` < 25 THEN -2 ELSE 0 END
    + CASE WHEN (`bmi` IS NULL OR IS_NAN(CAST(`bmi` AS FLOAT64))) THEN 1 ELSE 0 END
    + CASE WHEN CAST(`he said "hi"` AS STRING) IN ('it\'s', 'a "b"', 'c\\d') THEN 4 ELSE 0 END
    + CASE WHEN `smoker` >= 0.5 AND NOT (IS_NAN(CAST(`smoker` AS FLOAT64))) THEN 2 ELSE 0 END
    + CASE WHEN (`he said "hi"` IS NULL OR TRIM(CAST(`he said "hi"` AS STRING)) IN ('', 'NA', 'N/A', 'n/a', '#N/A', 'NaN', 'nan', 'null', 'NULL', '?', '<NA>')) THEN 5 ELSE 0 END
    + COALESCE(-1 * CASE WHEN NOT (IS_NAN(CAST(`age` AS FLOAT64))) THEN CAST(`age` AS FLOAT64) END, 0)
    END
    AS points
  FROM `clinic`.`people` AS source
) AS scored
