SELECT scored.*,
  1 / (1 + EXP(-(GREATEST(-700, LEAST(700, CAST('0.625515' AS DOUBLE) * points + CAST('-2.59554' AS DOUBLE)))))) AS risk
FROM (
  SELECT source.*,
    CASE WHEN ABS(CASE WHEN NOT (CAST("age" AS DOUBLE) = CAST('NaN' AS DOUBLE)) THEN CAST("age" AS DOUBLE) END) > CAST('1.7976931348623157e+308' AS DOUBLE) OR ("smoker" IS NULL OR CAST("smoker" AS DOUBLE) = CAST('NaN' AS DOUBLE)) THEN NULL ELSE
    CASE WHEN "age" >= 61 AND NOT (CAST("age" AS DOUBLE) = CAST('NaN' AS DOUBLE)) THEN 3 ELSE 0 END
    + CASE WHEN "bmi" >= CAST('18.5' AS DOUBLE) AND "bmi" < 25 THEN -2 ELSE 0 END
    + CASE WHEN ("bmi" IS NULL OR CAST("bmi" AS DOUBLE) = CAST('NaN' AS DOUBLE)) THEN 1 ELSE 0 END
    + CASE WHEN CAST("he said ""hi""" AS VARCHAR) IN ('it\'s', 'a "b"', 'c\\d') THEN 4 ELSE 0 END
    + CASE WHEN "smoker" >= CAST('0.5' AS DOUBLE) AND NOT (CAST("smoker" AS DOUBLE) = CAST('NaN' AS DOUBLE)) THEN 2 ELSE 0 END
    + CASE WHEN ("he said ""hi""" IS NULL OR TRIM(CAST("he said ""hi""" AS VARCHAR)) IN ('', 'NA', 'N/A', 'n/a', '#N/A', 'NaN', 'nan', 'null', 'NULL', '?', '<NA>')) THEN 5 ELSE 0 END
    + COALESCE(-1 * CASE WHEN NOT (CAST("age" AS DOUBLE) = CAST('NaN' AS DOUBLE)) THEN CAST("age" AS DOUBLE) END, 0)
    END
    AS points
  FROM "clinic"."people" AS source
) AS scored
